"""`python -m training inspect --config train.json --project DIR --output DIR`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from serving.program.terminal import write
from training.cli.data_flags import add_data_flags, data_arguments, parse
from training.inspection.inspect import MAX_SAMPLES, SAMPLES, inspect_data


def build_parser(prog: str = "python -m training inspect") -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Shows the data of a training as the network will see it: numbers, "
        "how the anchors fit, and augmented samples.",
    )
    add = parser.add_argument
    add("--config", type=Path, required=True, metavar="JSON", help="train config")
    add_data_flags(parser)
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


def run(argv: Sequence[str], prog: str) -> int:
    """Runs the command line.

    Returns:
        0.

    Raises:
        TrainingError: it cannot be done.
    """
    args = parse(build_parser(prog), argv)
    found = inspect_data(
        args.config,
        output=args.output,
        samples=args.samples,
        **data_arguments(args),
    )
    for text in found.warnings:
        write(f"warning: {text}")
    told = {
        "page": str(found.page),
        "sheet": str(found.sheet),
        "numbers": str(found.numbers),
    }
    sys.stdout.write(f"{json.dumps(told)}\n")
    return 0
