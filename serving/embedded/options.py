"""How the embedded server serves. Needs nothing, so that `--help` is instant."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_CPUS = os.cpu_count() or 1


def check_model_name(name: str) -> str:
    """Returns a name that a REST path can hold.

    Raises:
        ValueError: it has other characters, or none.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise ValueError(
            "model_name: expected letters, digits, '.', '_' and '-', which REST paths "
            f"can hold, got {name!r}"
        )
    return name


@dataclass(frozen=True)
class ServerOptions:
    """How to serve; the command line has a flag for each.

    Attributes:
        model_base_path: directory of version directories; may appear later.
        model_name: the model's name on the wire.
        host: address to listen on.
        port: gRPC port, 0 for any free one.
        rest_api_port: REST port, 0 for any free one, None for no REST.
        max_concurrent_requests: how many requests run the model at once.
        max_queued_requests: how many more may wait; others get UNAVAILABLE.
        max_batch_size: rows of a request that run at once; more run in parts.
        max_images_per_request: most images of a request.
        grpc_max_threads: gRPC threads that receive and refuse Predict calls beside
            those that run or wait for the model.
        grpc_max_message_bytes: largest gRPC request.
        rest_api_timeout_s: bound of a REST Predict call.
        rest_api_max_body_bytes: largest REST body, as sent and after unpacking.
        poll_wait_s: seconds between looks at the base path; 0 looks once.
        retry_wait_s: seconds before an unchanged broken version is tried again.
        enable_model_warmup: run a version's warmup requests before it is offered.
        packed_outputs: gRPC answers numbers as `tensor_content`.
        intra_op_threads: threads of one operation, 0 for TensorFlow's choice.
        inter_op_threads: operations at once, 0 for TensorFlow's choice.
        grpc_channel_arguments: further gRPC server options, after the server's own.
    """

    model_base_path: Path
    model_name: str = "mask_rcnn"
    host: str = "0.0.0.0"
    port: int = 8500
    rest_api_port: int | None = 8501
    max_concurrent_requests: int = _CPUS
    max_queued_requests: int = 64
    max_batch_size: int = 8
    max_images_per_request: int = 64
    grpc_max_threads: int = 4 * _CPUS
    grpc_max_message_bytes: int = 2**29
    rest_api_timeout_s: float = 30.0
    rest_api_max_body_bytes: int = 2**25
    poll_wait_s: float = 1.0
    retry_wait_s: float = 60.0
    enable_model_warmup: bool = True
    packed_outputs: bool = False
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    grpc_channel_arguments: tuple[tuple[str, int | str], ...] = ()

    def __post_init__(self) -> None:
        """Checks what would otherwise fail late and obscurely."""
        check_model_name(self.model_name)
        for name, least in (
            ("max_concurrent_requests", 1),
            ("max_queued_requests", 0),
            ("max_batch_size", 1),
            ("max_images_per_request", 1),
            ("grpc_max_message_bytes", 1),
            ("rest_api_max_body_bytes", 1),
            ("grpc_max_threads", 1),
            ("poll_wait_s", 0),
        ):
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name}: expected at least {least}, got {getattr(self, name)}"
                )
