from __future__ import annotations

from pathlib import Path

import pytest

TOY_MARKS = {1: "one", 2: "two"}


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Path:
    """A project to train on; not to be changed."""
    from tests.shapes_project import write_shapes

    return write_shapes(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="module")
def tiny_backbone():
    """Makes "small" a tiny network in this process, which is traced in less time."""
    from models.architecture import PRESETS
    from tests.factories import LEARNABLE

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "small", LEARNABLE)
        yield


@pytest.fixture(scope="session")
def toys(tmp_path_factory) -> dict[int, Path]:
    """Saved toy models by number, to be published under base paths."""
    from tests.integration.toy_serving import save_toy

    folder = tmp_path_factory.mktemp("toys")
    for number, mark in TOY_MARKS.items():
        save_toy(folder / str(number), mark)
    return {number: folder / str(number) for number in TOY_MARKS}


@pytest.fixture(scope="session")
def toy(toys, tmp_path_factory) -> Path:
    """A base path with one version; not to be changed."""
    from tests.integration.toy_serving import publish

    base = tmp_path_factory.mktemp("served") / "toy"
    base.mkdir()
    publish(toys[1], base, 1)
    return base


@pytest.fixture
def base(tmp_path) -> Path:
    """An empty base path."""
    path = tmp_path / "toy"
    path.mkdir()
    return path


def _start(started, base, *, wait=True, **options):
    from serving.embedded.options import ServerOptions
    from serving.embedded.server import EmbeddedServer

    options = {"port": 0, "rest_api_port": 0, "poll_wait_s": 0.02} | options
    server = EmbeddedServer(
        ServerOptions(
            model_base_path=base, model_name="toy", host="127.0.0.1", **options
        )
    )
    server.start()
    started.append(server)
    if wait:
        assert server.manager.wait_available(timeout_s=120)
    return server


@pytest.fixture
def serve():
    """Starts embedded servers: serve(base, wait=True, **options)."""
    started = []
    yield lambda base, **options: _start(started, base, **options)
    for server in started:
        server.stop(drain_timeout_s=60)


@pytest.fixture(scope="module")
def server(toy):
    """A server of `toy` shared by a module's tests."""
    started = []
    yield _start(started, toy)
    started[0].stop(drain_timeout_s=60)


@pytest.fixture(scope="module")
def stubs(server):
    from tests.integration.serving_clients import Stubs

    stubs = Stubs(server.port)
    yield stubs
    stubs.close()
