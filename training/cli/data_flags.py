"""The flags that name config and data, the same for training and inspecting."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from formats.files.archive import MAX_ARCHIVE_BYTES
from serving.program.numbers import positive


def add_data_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--config`, `--project`, `--coco`, `--images` and how to read them."""
    add = parser.add_argument
    add("--config", type=Path, required=True, metavar="JSON", help="train config")
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument(
        "--project",
        type=Path,
        metavar="DIR",
        help="Supervisely project, or its archive",
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
        "--lenient",
        action="store_true",
        help="go past what of the COCO files a training can do without, and count it: "
        "polygons of under 3 points, empty segmentations, wrong iscrowd, wrong images "
        "and categories that no annotation is of, annotations of images not listed",
    )
    add_archive_flag(parser)


def add_archive_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--max-archive-bytes`."""
    parser.add_argument(
        "--max-archive-bytes",
        type=positive,
        default=MAX_ARCHIVE_BYTES,
        metavar="N",
        help="what a compressed --project may unpack to (default: %(default)s)",
    )


def parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Parses a command line with these flags; wrong usage ends the process."""
    args = parser.parse_args(argv)
    if (args.coco is None) != (args.images is None):
        parser.error("--coco and --images go together")
    if args.lenient and args.coco is None:
        parser.error("--lenient goes with --coco")
    args.coco = None if args.coco is None else tuple(args.coco)
    return args


__all__ = ["add_archive_flag", "add_data_flags", "parse"]
