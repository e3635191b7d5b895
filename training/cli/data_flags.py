"""The flags that name data, the same for training, inspecting and evaluating."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from formats.files.archive import MAX_ARCHIVE_BYTES
from serving.program.numbers import positive
from training.datasets.data_formats import DATA_FORMATS
from training.datasets.labelled_data import DataFormat

SETS = ("TRAIN", "VAL")


def add_data_flags(parser: argparse.ArgumentParser, *, is_single: bool = False) -> None:
    """Adds a flag for each format of data, and how to read it.

    Args:
        parser: of the command line.
        is_single: one set is named, else the two of a training.
    """
    add = parser.add_argument
    group = parser.add_mutually_exclusive_group(required=True)
    for name, form in DATA_FORMATS.items():
        title = form.title
        if is_single or form.has_tags:
            how: dict[str, Any] = {"metavar": form.metavar}
        else:
            how = {"metavar": SETS, "nargs": len(SETS)}
            title = f"{title}s of the training and the validation set"
        needs = "; needs --images" if form.has_images else ""
        group.add_argument(f"--{name}", type=Path, help=f"{title}{needs}", **how)
    if is_single:
        add(
            "--tag", metavar="TAG", help="image tag of the set (default: every picture)"
        )
    apart = _flags(lambda form: form.has_images)
    add("--images", type=Path, metavar="DIR", help=f"folder of the pictures of {apart}")
    past = "; ".join(form.lenient for form in DATA_FORMATS.values() if form.lenient)
    add(
        "--lenient",
        action="store_true",
        dest="is_lenient",
        help=f"go past what of {_flags(lambda form: bool(form.lenient))} can be done "
        f"without, and count it: {past}",
    )
    add(
        "--max-archive-bytes",
        type=positive,
        default=MAX_ARCHIVE_BYTES,
        metavar="N",
        help="what a compressed archive may unpack to (default: %(default)s)",
    )


def _flags(has: Callable[[DataFormat], bool]) -> str:
    return " or ".join(f"--{name}" for name, form in DATA_FORMATS.items() if has(form))


def parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Parses a command line with these flags; wrong usage ends the process."""
    args = parser.parse_args(argv)
    [form] = [f for name, f in DATA_FORMATS.items() if getattr(args, name) is not None]
    if form.has_images != (args.images is not None):
        apart = _flags(lambda form: form.has_images)
        parser.error(f"{apart} and --images go together")
    if args.is_lenient and not form.lenient:
        parser.error(f"--lenient goes with {_flags(lambda form: bool(form.lenient))}")
    return args


def data_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Returns what `labelled_data` takes of a parsed line of two sets."""
    names = (*DATA_FORMATS, "images", "is_lenient", "max_archive_bytes")
    return {name: getattr(args, name) for name in names}
