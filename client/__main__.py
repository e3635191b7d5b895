"""`python -m client`: annotations for images and whole projects."""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from client.client import Client
from client.errors import ClientError
from client.runs.flags import build_parser, parse_arguments
from client.runs.local_server import LocalServer
from client.runs.memory import limit_arenas
from client.runs.progress import progress
from client.runs.run import Summary, all_targets, run_all
from client.runs.run_folder import open_run
from client.runs.run_setup import (
    describe_run,
    load_inference_config,
    make_extras,
    open_work,
)
from client.runs.work import Work
from serving.plain_text import visible
from serving.program.run import DONE, FAILED, run_program
from serving.program.stop import INTERRUPTED, Stop, handled
from serving.program.terminal import write

if TYPE_CHECKING:
    from client.config.inference_config import InferenceConfig

OWN_SERVER_WAIT_S = 5.0
"""Seconds that the run's own server is waited for: nobody would start it again."""
MOST_FAILURES = 20
"""Failures that the summary for people lists."""


def main(argv: list[str] | None = None, *, prog: str = "python -m client") -> int:
    """Runs the command line and returns its exit code."""
    args = parse_arguments(argv, prog)
    # OpenCV writes to the log what our own errors say better.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    limit_arenas()
    _set_up_logging(debug=args.debug)
    return run_program(
        lambda: _execute(args),
        package="client",
        errors=lambda: (ClientError,),
        debug=args.debug,
    )


class _VisibleFormatter(logging.Formatter):
    """Formats records so that nothing in them acts on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record), keep="\n")


def _set_up_logging(*, debug: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_VisibleFormatter("%(levelname)s: %(message)s"))
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(level=level, handlers=[handler])
    if not debug:  # tells why nothing seems to happen
        logging.getLogger("client.transport.loading").setLevel(logging.INFO)


def _execute(args: argparse.Namespace) -> int:
    work = None if args.info else open_work(args)
    config = load_inference_config(args)
    with contextlib.ExitStack() as stack:
        closing: list[Callable[[], None]] = []
        end = functools.partial(_end, closing)
        stack.enter_context(handled(end, [signal.SIGTERM]))
        address, name = args.server, args.model_name or "mask_rcnn"
        if args.model is not None:
            write(f"starting a server for {args.model}")
            server = LocalServer(args.model, model_name=args.model_name)
            stack.enter_context(server)
            address, name = server.address, server.model_name
            args.server_wait = min(args.server_wait, OWN_SERVER_WAIT_S)
        client = Client(
            address,
            config=config,
            model_name=name,
            version=args.model_version,
            timeout_s=args.timeout,
            server_wait_s=args.server_wait,
        )
        stack.enter_context(client)
        closing.append(client.close)
        if work is None:
            print(client.info())
            return DONE
        return _run(args, client, work, config)


def _run(
    args: argparse.Namespace, client: Client, work: Work, config: InferenceConfig | None
) -> int:
    extras = make_extras(args, client, work)
    origin = describe_run(client, work, config, args.color_by)
    targets = all_targets(work, extras)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(
            open_run(args.output, origin, targets, overwrite=args.overwrite)
        )
        stop = _stop(client)
        stack.enter_context(handled(stop.heard, [signal.SIGINT]))
        summary = run_all(
            client,
            work,
            folder,
            extras,
            in_flight=args.in_flight,
            server_wait_s=args.server_wait,
            is_stopped=stop.is_asked,
            tell=stack.enter_context(progress(len(work))),
        )
        if summary.is_complete:
            folder.finish(origin)
    _print_json(summary.to_json(args.output))
    _print_summary(summary, len(work), args.output)
    if stop.is_asked():
        return INTERRUPTED
    return DONE if summary.is_complete else FAILED


def _print_json(content: dict[str, Any]) -> None:
    text = visible(json.dumps(content, ensure_ascii=False))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a file's name that is no text, or not in this encoding
        text = json.dumps(content)
    print(text)


def _print_summary(summary: Summary, images: int, output: Path) -> None:
    rate = summary.done / summary.seconds if summary.seconds else 0.0
    before = f" {summary.skipped} done before," if summary.skipped else ""
    write(
        f"{summary.done} of {images} pictures done,{before} {len(summary.failed)} "
        f"failed, {summary.instances} instances, {summary.seconds:.1f} s "
        f"({rate:.1f} pictures/s) -> {output}"
    )
    for line in summary.told():
        write(f"  {line}")
    for _, error in summary.failed[:MOST_FAILURES]:
        write(f"  failed: {error}")
    if len(summary.failed) > MOST_FAILURES:
        more = len(summary.failed) - MOST_FAILURES
        write(f"  and {more} more, see the standard output")
    if summary.stopped:
        write(
            f"error: {summary.stopped}\n{summary.left} pictures are left; the same "
            "command goes on with them"
        )


def _stop(client: Client) -> Stop:
    """Lets the first Ctrl-C finish what has been sent; the second ends at once."""

    def finish() -> None:
        client.stop_waiting()
        write("finishing what has been sent; Ctrl-C again to quit")

    def quit_at_once(_number: int) -> None:
        client.close()
        raise KeyboardInterrupt

    return Stop(finish, quit_at_once)


def _end(closing: list[Callable[[], None]], number: int) -> NoReturn:
    """Ends in the ordinary way, so that a server of ours is stopped too.

    Args:
        closing: called first, so that nothing waits for an answer any more.
        number: the signal.
    """
    for close in closing:
        close()
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())

__all__ = ["build_parser", "main"]
