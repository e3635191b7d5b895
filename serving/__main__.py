"""`python -m serving`: TensorFlow Serving's APIs without tensorflow_model_server."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading

from serving.embedded.flags import build_parser
from serving.embedded.options import ServerOptions
from serving.program.run import run_program
from serving.program.stop import INTERRUPTED, Stop, heard_at_once, leave


def main(argv: list[str] | None = None, *, prog: str = "python -m serving") -> int:
    """Runs the server until SIGTERM or Ctrl-C; returns the exit code."""
    args = build_parser(prog).parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if args.debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    return run_program(
        lambda: _serve(args),
        package="serving",
        errors=lambda: (RuntimeError,),
        needed=("tensorflow", "aiohttp", "orjson"),
        debug=args.debug,
    )


def _serve(args: argparse.Namespace) -> int:
    from serving.embedded.engines import ENGINES
    from serving.embedded.server import EmbeddedServer

    asked = threading.Event()
    stop = Stop(first=asked.set)
    with heard_at_once(stop.heard):
        server = EmbeddedServer(_options(args), ENGINES["tensorflow"]())
        server.start()
        # The one result on stdout: with --port 0 it tells the port.
        print(server.address, flush=True)
        asked.wait()
        logger = logging.getLogger("serving")
        logger.info("%s: finishing requests", signal.Signals(stop.number).name)
        is_drained = server.stop(args.drain_timeout_s)
    code = INTERRUPTED if stop.number == signal.SIGINT else 0
    if not is_drained:
        logger.warning("not everything ended in %g s: cut off", args.drain_timeout_s)
        logging.shutdown()
        # What did not end cannot be stopped, and Python would wait for it.
        leave(code)
    logger.info("stopped")
    return code


def _options(args: argparse.Namespace) -> ServerOptions:
    return ServerOptions(
        model_base_path=args.model_base_path,
        model_name=args.model_name,
        host=args.host,
        port=args.port,
        rest_api_port=args.rest_api_port or None,
        max_concurrent_requests=args.max_concurrent_requests,
        max_queued_requests=args.max_queued_requests,
        max_batch_size=args.max_batch_size,
        max_images_per_request=args.max_images_per_request,
        grpc_max_message_bytes=args.grpc_max_message_bytes,
        grpc_max_threads=args.grpc_max_threads,
        rest_api_timeout_s=args.rest_api_timeout_in_ms / 1000,
        rest_api_max_body_bytes=args.rest_api_max_body_bytes,
        poll_wait_s=args.file_system_poll_wait_seconds,
        enable_model_warmup=args.enable_model_warmup,
        packed_outputs=args.enable_serialization_as_tensor_content,
        intra_op_threads=args.tensorflow_intra_op_parallelism,
        inter_op_threads=args.tensorflow_inter_op_parallelism,
        grpc_channel_arguments=args.grpc_channel_arguments,
    )


if __name__ == "__main__":
    raise SystemExit(main())
