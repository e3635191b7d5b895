"""The command line of `python -m serving`: tensorflow_model_server's flags."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from serving.embedded.foreign_flags import explain_foreign_flag
from serving.embedded.options import ServerOptions, check_model_name
from serving.program.numbers import count, positive, seconds, whole_number
from serving.program_version import ShowVersion

_DRAIN_TIMEOUT_S = 30.0
_MAX_PORT = 65535
_MAX_MESSAGE_BYTES = 2**31 - 1


class _Parser(argparse.ArgumentParser):
    """Tells flags that only tensorflow_model_server has from misspelt ones."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuses a flag of the other server before anything else is missed."""
        given = sys.argv[1:] if args is None else list(args)
        known = self._option_string_actions
        text = explain_foreign_flag(
            [arg for arg in given if arg.partition("=")[0] not in known]
        )
        if text:
            self.error(text)
        return super().parse_known_args(args, namespace)


def build_parser(prog: str = "python -m serving") -> argparse.ArgumentParser:
    """Returns the parser of the command line; every flag also takes underscores."""
    parser = _Parser(
        prog=prog,
        description="Serves a model directory over TensorFlow Serving's gRPC and REST "
        "APIs. The flags are tensorflow_model_server's, with dashes or underscores.",
        allow_abbrev=False,
    )
    _add_model_flags(parser.add_argument_group("model"))
    _add_wire_flags(parser.add_argument_group("ports and messages"))
    _add_load_flags(parser.add_argument_group("load"))
    parser.add_argument("--debug", action="store_true", help="log more, and tracebacks")
    parser.add_argument("--version", action=ShowVersion)
    return parser


def _add_model_flags(group: argparse._ArgumentGroup) -> None:
    _add(
        group,
        "model-base-path",
        "directory with the numbered version directories",
        type=Path,
        required=True,
        metavar="DIR",
    )
    _add(
        group,
        "model-name",
        "name on the wire: letters, digits, '.', '_' and '-'",
        type=_model_name,
        default=ServerOptions.model_name,
        metavar="NAME",
    )
    _add(
        group,
        "file-system-poll-wait-seconds",
        "time between looks for a new version; 0 looks once",
        type=seconds,
        default=ServerOptions.poll_wait_s,
        metavar="S",
    )
    _add_switch(
        group,
        "enable-model-warmup",
        "run a version's warmup requests before offering it",
        default=ServerOptions.enable_model_warmup,
    )


def _add_wire_flags(group: argparse._ArgumentGroup) -> None:
    _add(
        group,
        "host",
        "address to listen on",
        default=ServerOptions.host,
        metavar="ADDRESS",
    )
    _add(
        group,
        "port",
        "gRPC port; 0 for any free one",
        type=whole_number(0, _MAX_PORT),
        default=ServerOptions.port,
    )
    _add(
        group,
        "rest-api-port",
        "REST port; 0 for no REST",
        type=whole_number(0, _MAX_PORT),
        default=ServerOptions.rest_api_port,
    )
    _add(
        group,
        "rest-api-timeout-in-ms",
        "bound of a REST predict call",
        type=positive,
        default=round(ServerOptions.rest_api_timeout_s * 1000),
    )
    _add(
        group,
        "rest-api-max-body-bytes",
        "largest REST body, as sent and after unpacking",
        type=positive,
        default=ServerOptions.rest_api_max_body_bytes,
    )
    _add(
        group,
        "grpc-max-message-bytes",
        "largest gRPC request; larger ones get RESOURCE_EXHAUSTED",
        type=whole_number(1, _MAX_MESSAGE_BYTES),
        default=ServerOptions.grpc_max_message_bytes,
    )
    _add_switch(
        group,
        "enable-serialization-as-tensor-content",
        "answer numbers packed instead of as typed fields",
        default=ServerOptions.packed_outputs,
    )
    _add(
        group,
        "grpc-channel-arguments",
        "further gRPC server options, name=value,name=value",
        type=_channel_arguments,
        default=ServerOptions.grpc_channel_arguments,
        metavar="ARGUMENTS",
    )


def _add_load_flags(group: argparse._ArgumentGroup) -> None:
    for name, text, kind, default in (
        (
            "max-concurrent-requests",
            "requests that run the model at once",
            positive,
            ServerOptions.max_concurrent_requests,
        ),
        (
            "max-queued-requests",
            "requests that may wait for their turn; more get UNAVAILABLE",
            count,
            ServerOptions.max_queued_requests,
        ),
        (
            "max-batch-size",
            "rows of a request that run at once; more run in parts",
            positive,
            ServerOptions.max_batch_size,
        ),
        (
            "max-images-per-request",
            "most images of a request; more get INVALID_ARGUMENT",
            positive,
            ServerOptions.max_images_per_request,
        ),
        (
            "grpc-max-threads",
            "gRPC Predict threads beside those of waiting and running requests",
            positive,
            ServerOptions.grpc_max_threads,
        ),
        (
            "tensorflow-intra-op-parallelism",
            "threads of one operation; 0 lets TensorFlow choose",
            count,
            ServerOptions.intra_op_threads,
        ),
        (
            "tensorflow-inter-op-parallelism",
            "operations at once; 0 lets TensorFlow choose",
            count,
            ServerOptions.inter_op_threads,
        ),
        (
            "drain-timeout-s",
            "how long SIGTERM waits for the requests under way",
            seconds,
            _DRAIN_TIMEOUT_S,
        ),
    ):
        _add(group, name, text, type=kind, default=default)


def _add(
    group: argparse._ArgumentGroup,
    name: str,
    text: str,
    *,
    metavar: str = "N",
    **kwargs: Any,
) -> None:
    flags = dict.fromkeys((f"--{name}", f"--{name.replace('-', '_')}"))
    if kwargs.get("default") not in (None, "", ()):
        text += " (default: %(default)s)"
    group.add_argument(*flags, help=text, metavar=metavar, **kwargs)


def _add_switch(
    group: argparse._ArgumentGroup, name: str, text: str, *, default: bool
) -> None:
    # As tensorflow_model_server's: --flag, --flag=true, --flag=false.
    text += f" (default: {str(default).lower()})"
    flags = (f"--{name}", f"--{name.replace('-', '_')}")
    group.add_argument(
        *flags,
        help=text,
        metavar="BOOL",
        type=_boolean,
        nargs="?",
        const=True,
        default=default,
    )


def _model_name(text: str) -> str:
    try:
        return check_model_name(text)
    except ValueError as err:
        raise argparse.ArgumentTypeError(str(err)) from err


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")
    return values[text.lower()]


def _channel_arguments(text: str) -> tuple[tuple[str, int | str], ...]:
    arguments: list[tuple[str, int | str]] = []
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not name or not equals:
            raise argparse.ArgumentTypeError(
                f"expected name=value,name=value, got {text}"
            )
        number = value.removeprefix("-").isdecimal()
        arguments.append((name, int(value) if number else value))
    return tuple(arguments)
