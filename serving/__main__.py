"""`python -m serving`: TensorFlow Serving's APIs without tensorflow_model_server."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
import types

from serving.embedded.flags import build_parser
from serving.embedded.options import ServerOptions
from serving.siblings import check_siblings

_INTERRUPTED = 130
_SIGNAL_POLL_S = 0.1
_NEEDED = {"tensorflow": "TensorFlow", "aiohttp": "aiohttp", "orjson": "orjson"}


def main(argv: list[str] | None = None) -> int:
    """Runs the server until SIGTERM or Ctrl-C; returns the exit code."""
    args = build_parser().parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if args.debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    try:
        check_siblings("serving")
        return _serve(args)
    except ModuleNotFoundError as err:
        missing = _NEEDED.get((err.name or "").partition(".")[0])
        if missing is None:
            raise
        return _fail(
            f"{missing} is missing: pip install '.[serving]' in the project's folder"
        )
    except KeyboardInterrupt:  # before the handlers are set
        return _INTERRUPTED
    except RuntimeError as err:
        if args.debug:
            raise
        return _fail(str(err))


def _serve(args: argparse.Namespace) -> int:
    # The variable is read once, when TensorFlow is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if args.debug else "2")
    logging.getLogger("tensorflow").setLevel(
        logging.DEBUG if args.debug else logging.ERROR
    )
    from serving.embedded.engines import ENGINES
    from serving.embedded.server import EmbeddedServer

    engine = ENGINES["tensorflow"]()
    signals: list[int] = []

    def on_signal(number: int, _: types.FrameType | None) -> None:
        if signals:  # asked twice: at once
            os._exit(128 + number)
        signals.append(number)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    server = EmbeddedServer(_options(args), engine)
    server.start()
    # The one result on stdout: with --port 0 it tells the port.
    print(server.address, flush=True)
    # No lock: the handler runs in this thread and could wait for it for ever.
    while not signals:
        time.sleep(_SIGNAL_POLL_S)
    logger = logging.getLogger("serving")
    logger.info("%s: finishing requests", signal.Signals(signals[0]).name)
    drained = server.stop(args.drain_timeout_s)
    code = _INTERRUPTED if signals[0] == signal.SIGINT else 0
    if not drained:
        logger.warning("not everything ended in %g s: cut off", args.drain_timeout_s)
        logging.shutdown()
        # What did not end cannot be stopped, and Python would wait for it.
        os._exit(code)
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


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
