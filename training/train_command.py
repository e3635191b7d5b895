"""`python -m training --config train.json --project DIR --output DIR`."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from training.config import read_config
from training.data_flags import add_data_flags, parse

INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description="Trains a Mask R-CNN on a Supervisely project or COCO files.",
        epilog="Also: python -m training inspect (look at the data before), "
        "python -m training evaluate (COCO AP of a checkpoint, an exported model or a "
        "running server); --help of each tells more.",
    )
    add_data_flags(parser)
    add = parser.add_argument
    add(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="for checkpoints, metrics and curves",
    )
    add(
        "--weights",
        type=Path,
        metavar="H5",
        help="checkpoint of a Mask R-CNN (file or folder), or ImageNet ResNet in Keras'"
        " layout",
    )
    add("--device", choices=("gpu", "cpu"), default="gpu", help="default: gpu")
    add(
        "--resume",
        action="store_true",
        help="go on from the last checkpoint in the output, if there is one",
    )
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def run(argv: Sequence[str]) -> int:
    """Runs the command line.

    Returns:
        0, or 130 where it was interrupted.

    Raises:
        TrainingError: it cannot be done.
    """
    args = parse(build_parser(), argv)
    # Before TensorFlow, which takes seconds to import.
    config = read_config(args.config)
    from training.progress import Console
    from training.run import train

    console = Console()
    with _stop_on_signals(console.say) as is_stopped:
        result = train(
            config,
            output=args.output,
            project=args.project,
            coco=args.coco,
            images=args.images,
            max_archive_bytes=args.max_archive_bytes,
            is_lenient=args.lenient,
            weights=args.weights,
            device=args.device,
            resume=args.resume,
            is_stopped=is_stopped,
            listener=console,
        )
    told = {
        "output": str(result.output),
        "last": None if result.last is None else str(result.last),
        "best": None if result.best is None else str(result.best),
        "best_value": result.best_value,
        "step": result.step,
        "total_steps": result.total_steps,
        "seconds": round(result.seconds, 1),
        "data_wait": round(result.data_wait, 4),
    }
    sys.stdout.write(f"{json.dumps(told)}\n")
    if result.is_finished:
        return 0
    console.say(f"interrupted at step {result.step}; go on with --resume")
    return INTERRUPTED


@contextlib.contextmanager
def _stop_on_signals(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Lets the first Ctrl-C or SIGTERM save; the second ends at once."""
    stopped = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True
        say("saving after this step; Ctrl-C again to quit at once")

    before = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["build_parser", "run"]
