"""The embedded server: TensorFlow Serving's gRPC and REST APIs for one model."""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from serving.embedded.engines import ENGINES, Engine
from serving.embedded.gate import Gate
from serving.embedded.grpc_service import GrpcService
from serving.embedded.http_server import RestServer
from serving.embedded.manager import ModelManager
from serving.embedded.options import ServerOptions
from serving.embedded.predict import warm_up
from serving.embedded.rest import RestService
from serving.embedded.storage import explain_base_path
from serving.embedded.versions import LoadedModel

logger = logging.getLogger(__name__)

_CONTROL_THREADS = 8
_SPARE_CONNECTIONS = 256
_KEEPALIVE_TIME_MS = 60_000
_KEEPALIVE_TIMEOUT_MS = 20_000


class StartError(RuntimeError):
    """The server cannot start; the text says why."""


class EmbeddedServer:
    """Serves one model until it is stopped.

    Attributes:
        manager: the model's versions.
        port: the bound gRPC port, after `start`.
        rest_api_port: the bound REST port, after `start`; None without REST.
    """

    def __init__(self, options: ServerOptions, engine: Engine | None = None) -> None:
        """Prepares; nothing is bound or loaded before `start`.

        Args:
            options: how to serve.
            engine: loads the model's versions; TensorFlow's session without it.
        """
        self._options = options
        self._engine = engine or ENGINES["tensorflow"]()
        # Resolved now: a relative path means the working directory at the start.
        base_path = options.model_base_path.absolute()
        self.manager = ModelManager(
            options.model_name,
            base_path,
            self._load,
            poll_wait_s=options.poll_wait_s,
            retry_wait_s=options.retry_wait_s,
        )
        self._gate = Gate(
            max_running=options.max_concurrent_requests,
            max_queued=options.max_queued_requests,
        )
        self._service = GrpcService(
            self.manager,
            self._gate,
            max_images=options.max_images_per_request,
            packed_outputs=options.packed_outputs,
        )
        self._control_pool = ThreadPoolExecutor(
            _CONTROL_THREADS, thread_name_prefix="grpc-control"
        )
        self._grpc: grpc.Server | None = None
        self._rest: RestServer | None = None
        self.port = options.port
        self.rest_api_port = options.rest_api_port

    @property
    def address(self) -> str:
        """Host and gRPC port as gRPC writes them."""
        host = self._options.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def start(self) -> None:
        """Binds the ports, then loads and watches the model in the background.

        Raises:
            StartError: the base path can never hold versions, the host has no
                address, or a port cannot be bound.
        """
        options = self._options
        _check_base_path(options.model_base_path.absolute())
        _check_host(options.host)
        if options.rest_api_port is not None:
            self._rest = self._bind_rest(options.rest_api_port)
            self.rest_api_port = self._rest.server_address[1]
        try:
            self._grpc = self._bind_grpc()
        except StartError:
            if self._rest is not None:
                self._rest.stop(0)
            raise
        self.manager.start()
        self._grpc.start()
        if self._rest is not None:
            self._rest.start()
        rest = "no REST" if self._rest is None else f"REST on port {self.rest_api_port}"
        logger.info("serving %s: gRPC on %s, %s", self.manager.name, self.address, rest)

    def stop(self, drain_timeout_s: float = 30.0) -> bool:
        """Refuses new requests, finishes those under way, and lets the model go.

        Returns:
            Whether everything ended in time; a request that did not is cut off.
        """
        deadline = time.monotonic() + drain_timeout_s
        self._service.draining = True
        finished = self._grpc.stop(drain_timeout_s) if self._grpc else None
        if self._rest is not None:
            self._rest.stop(max(0.0, deadline - time.monotonic()))
        if finished is not None:
            finished.wait()
        self._control_pool.shutdown(wait=False)
        drained = self._gate.wait_idle(0)
        return self.manager.stop(max(0.0, deadline - time.monotonic())) and drained

    def _load(self, path: Path) -> LoadedModel:
        model = self._engine(path, self._options)
        if self._options.enable_model_warmup:
            try:
                count = warm_up(model, path)
            except BaseException:
                model.close()
                raise
            logger.info("ran %d warmup requests", count)
        return model

    def _bind_grpc(self) -> grpc.Server:
        options = self._options
        # A Predict call that runs or waits keeps its thread; the others receive and
        # refuse. Status, metadata and health have threads of their own.
        threads = self._gate.capacity + options.grpc_max_threads
        server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
            handlers=self._service.handlers(self._control_pool),
            options=(
                ("grpc.max_receive_message_length", options.grpc_max_message_bytes),
                ("grpc.max_send_message_length", -1),
                # Without this a second server would silently share the port.
                ("grpc.so_reuseport", 0),
                # A peer that vanished with calls open would keep their threads.
                ("grpc.keepalive_time_ms", _KEEPALIVE_TIME_MS),
                ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
                *options.grpc_channel_arguments,
            ),
        )
        try:
            self.port = server.add_insecure_port(self.address)
        except RuntimeError as err:
            raise StartError(
                f"cannot listen on {self.address} for gRPC: "
                + _why_unbound(_bind_error(options.host, self.port), "--port")
            ) from err
        return server

    def _bind_rest(self, port: int) -> RestServer:
        options = self._options
        service = RestService(
            self.manager,
            self._gate,
            max_images=options.max_images_per_request,
            timeout_s=options.rest_api_timeout_s,
        )
        try:
            # Idle connections and calls without a body have the spare ones.
            bodies = self._gate.capacity + options.grpc_max_threads
            return RestServer(
                (options.host, port),
                service,
                max_body_bytes=options.rest_api_max_body_bytes,
                max_bodies=bodies,
                max_connections=bodies + _SPARE_CONNECTIONS,
            )
        except OSError as err:
            raise StartError(
                f"cannot listen on {options.host}:{port} for REST: "
                + _why_unbound(err, "--rest-api-port")
            ) from err


def _check_base_path(path: Path) -> None:
    why = explain_base_path(path)
    if why is not None:
        raise StartError(f"--model-base-path: {why}")


def _check_host(host: str) -> None:
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as err:
        why = err.strerror if isinstance(err, OSError) else err
        raise StartError(
            f"cannot resolve --host {host!r}: {why}; expected an address of this "
            "machine or a name that has one"
        ) from err


def _bind_error(host: str, port: int) -> OSError:
    """Binds once more, for the reason that gRPC doesn't tell."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(address)
    except OSError as err:
        return err
    return OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _why_unbound(err: OSError, flag: str) -> str:
    if err.errno == errno.EADDRINUSE:
        cure = f"is another server running there? Choose another {flag}"
    elif err.errno == errno.EADDRNOTAVAIL:
        cure = "choose a --host that is an address of this machine"
    else:
        cure = f"choose another {flag} or --host"
    return f"{err.strerror or err}; {cure}"
