"""What listens is no model server: an error of ours, in the time allowed."""

import contextlib
import socket
import struct
import threading

import pytest

from client import Client, ClientError

HTTP = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SETTINGS = bytes.fromhex("000000040000000000")
HUGE_FRAME = b"\xff\xff\xff\x00\x01\x00\x00\x00\x01" + b"\0" * 1024
GARBAGE = {
    "http": HTTP,
    "zeros": b"\0" * 4096,
    "noise": bytes(range(256)) * 16,
    "a greeting": b"SSH-2.0-OpenSSH_9.0\r\n",
    "frames that are too large": SETTINGS + HUGE_FRAME,
    "a goodbye": SETTINGS + bytes.fromhex("00000807000000000000000000000000000b"),
    "nothing": b"",
}


@pytest.fixture
def listen():
    """Returns a function that sends bytes to whoever connects; then it ends."""
    sockets, threads = [], []

    def start(data, *, reset=False):
        listener = socket.create_server(("localhost", 0))
        sockets.append(listener)

        def serve():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                sockets.append(peer)
                try:
                    peer.sendall(data)
                except OSError:
                    continue
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    peer.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        threads.append(thread)
        return listener.getsockname()[1]

    yield start
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    for thread in threads:  # until then, one more may be accepted
        thread.join()
    for each in sockets:
        each.close()


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage(listen, kind, reset):
    port = listen(GARBAGE[kind], reset=reset)
    with pytest.raises(ClientError, match=f"localhost:{port}: "):
        Client(f"localhost:{port}", connect_timeout_s=0.5, timeout_s=0.5)
