"""The embedded server in a process of its own, for requests that try to break it.

`python -m tests.stress.hostile.served BASE` prints its two ports, and ends when its
standard input does.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import grpc

from serving import protos
from serving.contract import WARMUP_ASSET
from tests.stress.hostile.kind import BrokenBenchError, FindingError, Place
from tests.stress.hostile.servers import started

MODEL_NAME = "hostile"
_HEALTH_S = 20.0
_LOAD_S = 300.0


@dataclass(frozen=True)
class Served:
    """A running server.

    Attributes:
        process: of the server.
        port: of gRPC.
        rest_port: of REST.
        channel: to it, without limits.
        log: what it wrote to its standard error.
    """

    process: Popen
    port: int
    rest_port: int
    channel: grpc.Channel
    log: Path

    @property
    def pid(self) -> int:
        """The server's process."""
        return self.process.pid

    def check_alive(self) -> None:
        """Asks for the server's health, and looks into its log.

        Raises:
            BrokenBenchError: the process ended, or it does not answer.
            FindingError: its log has a new traceback.
        """
        if self.process.poll() is not None:
            raise BrokenBenchError(
                f"the server ended with {self.process.returncode}: {self._tail()}"
            )
        check = self.channel.unary_unary(f"/{protos.HEALTH_SERVICE}/Check")
        try:
            check(b"", timeout=_HEALTH_S)
        except grpc.RpcError as err:
            raise BrokenBenchError(f"no word of its health: {err.code()}") from err
        tail = self._tail()
        if "Traceback" in tail:
            raise FindingError(f"a traceback in the server's log: {tail[-400:]}")

    def _tail(self) -> str:
        """Returns what the log got since the last look, and empties it."""
        text = self.log.read_text("utf-8", "replace")
        with self.log.open("r+b") as file:
            file.truncate()
        return text


@contextlib.contextmanager
def serve(place: Place) -> Iterator[Served]:
    """Starts a server of the place's model, which requests alone warm up."""
    log, base = place.folder / "server.log", place.folder / "served"
    shutil.copytree(place.model, base, ignore=shutil.ignore_patterns(WARMUP_ASSET))
    with started(__name__, str(base), log=log) as process:
        port, rest_port = json.loads(process.stdout.readline())
        options = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            yield Served(process, port, rest_port, channel, log)


def main(argv: list[str]) -> int:
    """Serves until the standard input ends."""
    from serving.embedded.options import ServerOptions
    from serving.embedded.server import EmbeddedServer

    server = EmbeddedServer(
        ServerOptions(
            Path(argv[0]),
            model_name=MODEL_NAME,
            host="127.0.0.1",
            port=0,
            rest_api_port=0,
        )
    )
    server.start()
    if not server.manager.wait_available(_LOAD_S):
        return 1
    print(json.dumps([server.port, server.rest_api_port]), flush=True)  # noqa: T201
    sys.stdin.read()
    server.stop(1.0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
