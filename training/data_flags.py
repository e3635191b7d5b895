"""The flags that name config and data, the same for training and inspecting."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def add_data_flags(parser: argparse.ArgumentParser) -> None:
    """Adds `--config`, `--project`, `--coco` and `--images`."""
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


def parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Parses a command line with these flags; wrong usage ends the process."""
    args = parser.parse_args(argv)
    if (args.coco is None) != (args.images is None):
        parser.error("--coco and --images go together")
    args.coco = None if args.coco is None else tuple(args.coco)
    return args


__all__ = ["add_data_flags", "parse"]
