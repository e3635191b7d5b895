"""`python -m client`: annotations and overlays for files and folders of pictures."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from client.batch import Job, Output, Summary, find_jobs, run
from client.client import Client
from client.errors import ClientError
from client.flags import build_parser
from client.local_server import CHANNEL_OPTIONS, LocalServer
from serving.siblings import SiblingError, check_siblings

DONE, FAILED, INTERRUPTED = 0, 1, 130


def main(argv: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    args = build_parser().parse_args(argv)
    # OpenCV writes to the log what our own errors say better.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    logging.basicConfig(
        level=logging.DEBUG if args.debug else logging.WARNING,
        format="%(levelname)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        check_siblings("client")
        return _predict(args)
    except (ClientError, SiblingError) as err:
        if args.debug:
            raise
        print(f"error: {err}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _predict(args: argparse.Namespace) -> int:
    from client.config import InferenceConfig  # after --help, which needs no pydantic

    jobs = find_jobs(args.images, args.output)
    output = Output(args.output, overlays=args.draw, overwrite=args.overwrite)
    output.check(jobs)
    config = None if args.config is None else InferenceConfig.load(args.config)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_end_on_terminate())
        address, name = args.server, args.model_name or "mask_rcnn"
        options: tuple[tuple[str, Any], ...] = ()
        if args.model is not None:
            print(f"starting a server for {args.model}", file=sys.stderr)
            server = LocalServer(args.model, model_name=args.model_name)
            stack.enter_context(server)
            address, name = server.address, server.model_name
            options = CHANNEL_OPTIONS
        client = Client(
            address,
            config=config,
            model_name=name,
            version=args.model_version,
            timeout_s=args.timeout,
            channel_options=options,
        )
        stack.enter_context(client)
        is_stopped = stack.enter_context(_stop_on_interrupt())
        tell = stack.enter_context(_progress(len(jobs)))
        summary = run(
            client,
            jobs,
            output,
            in_flight=args.in_flight,
            is_stopped=is_stopped,
            tell=tell,
        )
    _print_json(summary.to_json(args.output))
    _print_summary(summary, len(jobs), args.output)
    if is_stopped():
        return INTERRUPTED
    return FAILED if summary.failed else DONE


def _print_json(content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a file's name that is no text, or not in this encoding
        text = json.dumps(content)
    print(text)


def _print_summary(summary: Summary, pictures: int, output: Path) -> None:
    rate = summary.done / summary.seconds if summary.seconds else 0.0
    print(
        f"{summary.done} of {pictures} pictures done, {len(summary.failed)} failed, "
        f"{summary.instances} instances, {summary.seconds:.1f} s "
        f"({rate:.1f} pictures/s) -> {output}",
        file=sys.stderr,
    )


@contextlib.contextmanager
def _stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Lets the first Ctrl-C finish what has been sent; the second ends at once."""
    stopped = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True
        print("finishing what has been sent; Ctrl-C again to quit", file=sys.stderr)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: stopped
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _end_on_terminate() -> Iterator[None]:
    """Turns SIGTERM into an ordinary end, so that a server of ours is stopped too."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[Job, str | None], None]]:
    """Tells of each picture: a bar on a terminal, else only what failed."""
    if not sys.stderr.isatty():
        yield _tell_failure
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("pictures", total=total)

        def tell(_job: Job, error: str | None) -> None:
            if error:
                console.print(f"failed: {error}", markup=False, soft_wrap=True)
            progress.advance(task)

        yield tell


def _tell_failure(_job: Job, error: str | None) -> None:
    if error:
        print(f"failed: {error}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
