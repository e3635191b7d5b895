"""`python -m training inspect --config train.json --project DIR --output DIR`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from training.inspection import MAX_SAMPLES, SAMPLES, inspect_data


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training inspect",
        description="Shows the data of a training as the network will see it: numbers, "
        "how the anchors fit, and augmented samples.",
    )
    add = parser.add_argument
    add("--config", type=Path, required=True, metavar="JSON", help="train config")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument(
        "--project", type=Path, metavar="DIR", help="Supervisely project, folder or tar"
    )
    data.add_argument(
        "--coco",
        type=Path,
        nargs=2,
        metavar=("TRAIN", "VAL"),
        help="COCO files of the training and the validation set; needs --images",
    )
    add("--images", type=Path, metavar="DIR", help="pictures of the COCO files")
    add(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="for inspect.html, sheet.png and inspect.json; earlier ones are replaced",
    )
    add(
        "--samples",
        type=int,
        default=SAMPLES,
        metavar="N",
        help=f"training samples to draw, at most {MAX_SAMPLES}; default: {SAMPLES}",
    )
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def run(argv: Sequence[str]) -> int:
    """Runs the command line.

    Returns:
        0.

    Raises:
        TrainingError: it cannot be done.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    if (args.coco is None) != (args.images is None):
        parser.error("--coco and --images go together")
    found = inspect_data(
        args.config,
        output=args.output,
        project=args.project,
        coco=None if args.coco is None else tuple(args.coco),
        images=args.images,
        samples=args.samples,
    )
    for text in found.warnings:
        sys.stderr.write(f"warning: {text}\n")
    told = {
        "page": str(found.page),
        "sheet": str(found.sheet),
        "numbers": str(found.numbers),
    }
    sys.stdout.write(f"{json.dumps(told)}\n")
    return 0


__all__ = ["build_parser", "run"]
