import pytest

from client import Client, RetryPolicy
from tests.fake_server import FakeServer

FAST = RetryPolicy(retries=4, first_delay_s=0.01, max_delay_s=0.02)


@pytest.fixture
def server():
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture
def connect(server):
    """Returns a function that makes clients of the server, closed after the test."""
    clients = []

    def make(**kwargs):
        clients.append(Client(server.address, **({"retry": FAST} | kwargs)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
