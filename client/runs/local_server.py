"""Starts the embedded server for one run, in a process of its own, and stops it.

The server brings TensorFlow; this process does not.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

import grpc

from client.errors import ConnectError
from client.runs.paths import holds, resolve_path
from client.transport.loading import read_status
from serving.protos import (
    MODEL_SERVICE,
    GetModelStatusRequest,
    GetModelStatusResponse,
)
from serving.version_dirs import SAVED_MODEL, list_models, version_number

COMMAND = (sys.executable, "-m", "serving")
POLL_S = 0.1
CHANNEL_OPTIONS = (("grpc.enable_http_proxy", 0),)
"""A proxy could not find the server."""
STOP_S = 10.0
"""Seconds that a server has to finish before it is killed."""
TAIL_LINES = 12
"""Lines of the server's log that an error shows."""


class LocalServer:
    """The embedded server on a free port of this machine, while in its `with` block.

    Attributes:
        model_name: name under which it serves the model.
        address: host and port of its gRPC API; set once it runs.
    """

    def __init__(
        self,
        model_dir: Path,
        *,
        model_name: str | None = None,
        start_timeout_s: float = 300.0,
    ) -> None:
        """Prepares, starts nothing.

        Args:
            model_dir: a folder with version folders in it, or one version folder.
            model_name: name to serve it under; the folder's name if not given.
            start_timeout_s: seconds for the model to load.

        Raises:
            ConnectError: there is no model in the folder.
        """
        model_dir = resolve_path(model_dir)
        is_version = holds((model_dir / SAVED_MODEL).is_file)
        self._version_dir = model_dir if is_version else None
        if not is_version and not holds(lambda: bool(list_models(model_dir))):
            raise ConnectError(
                f"{model_dir}: expected {SAVED_MODEL}, or version folders (1, 2, ...) "
                "that hold one, got neither; export a model with python -m export"
            )
        self._base = model_dir
        named_by = model_dir
        if is_version and version_number(model_dir.name) is not None:
            named_by = model_dir.parent
        self.model_name = model_name or named_by.name
        self.address = ""
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LocalServer:
        self._scratch = tempfile.TemporaryDirectory(prefix="maskrcnn-client-")
        try:
            self._start(Path(self._scratch.name))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self, scratch: Path) -> None:
        base = self._base
        if self._version_dir is not None:
            # A server takes the newest version of a base path; show it only this one.
            version = version_number(self._version_dir.name)
            base = scratch / "model"
            base.mkdir()
            link = base / str(1 if version is None else version)
            link.symlink_to(self._version_dir, target_is_directory=True)
        port = _free_port()
        self.address = f"localhost:{port}"
        arguments = [
            *("--model-base-path", str(base), "--model-name", self.model_name),
            *("--host", "localhost", "--port", str(port), "--rest-api-port", "0"),
        ]
        with (scratch / "log").open("wb") as log:
            process = self._process = subprocess.Popen(
                [*COMMAND, *arguments],
                # Python looks for modules in the working directory first.
                cwd=scratch,
                env=os.environ | {"PYTHONPATH": _python_path()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for this process; the requests under way are finished.
                start_new_session=True,
            )
        with (scratch / "log").open("rb") as log:
            self._wait(process, log)

    def _wait(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        """Waits until the model is loaded."""
        end = time.monotonic() + self._start_timeout_s
        with grpc.insecure_channel(self.address, options=CHANNEL_OPTIONS) as channel:
            ask = channel.unary_unary(
                f"/{MODEL_SERVICE}/GetModelStatus",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=GetModelStatusResponse.FromString,
            )
            while not self._is_available(ask):
                if process.poll() is not None:
                    raise ConnectError(
                        f"{self._base}: the embedded server ended: {_tail(log)}"
                    )
                if time.monotonic() > end:
                    raise ConnectError(
                        f"{self._base}: the model was not loaded within "
                        f"{self._start_timeout_s:g} s: {_tail(log)}"
                    )
                time.sleep(POLL_S)

    def _is_available(self, ask: grpc.UnaryUnaryMultiCallable) -> bool:
        """Asks the server; raises ConnectError if there is nothing to wait for."""
        request = GetModelStatusRequest()
        request.model_spec.name = self.model_name
        try:
            response = ask(request, timeout=1.0)
        except grpc.RpcError:
            return False
        versions = read_status(response)
        if versions.problem:
            raise ConnectError(
                f"{self._base}: the model does not load: version {versions.problem}"
            )
        return versions.available

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._scratch.cleanup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def _python_path() -> str:
    """Returns a PYTHONPATH on which `serving` is the package beside this one."""
    spec = importlib.util.find_spec("serving")
    root = Path(spec.origin).parents[1] if spec and spec.origin else Path.cwd()
    return os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").strip().splitlines()
    return "\n".join(lines[-TAIL_LINES:]) or "it wrote no log"
