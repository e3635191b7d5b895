"""The command line of `python -m client`."""

from __future__ import annotations

import argparse
from pathlib import Path

from client.transport.address import check_address
from client.transport.remote_model import MAX_VERSION
from client.transport.retry import LONGEST_REPEATS_S
from formats.files.archive import MAX_ARCHIVE_BYTES
from serving.program.numbers import fraction, positive, some_seconds, whole_number
from serving.program_version import ShowVersion


def build_parser(prog: str = "python -m client") -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Finds instances in pictures with a served Mask R-CNN.",
    )
    parser.add_argument(
        "images", nargs="*", type=Path, metavar="IMAGE", help="a picture or a folder"
    )
    parser.add_argument(
        "--project",
        type=Path,
        metavar="DIR",
        help="a Supervisely project, folder or archive; a new one with the same "
        "pictures is written",
    )
    parser.add_argument(
        "--max-archive-bytes",
        type=positive,
        default=MAX_ARCHIVE_BYTES,
        metavar="N",
        help="what a compressed --project may unpack to (default: %(default)s)",
    )
    parser.add_argument(
        "--info", action="store_true", help="show what the model is, and stop"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--server",
        type=_address,
        default="localhost:8500",
        metavar="HOST:PORT",
        help="gRPC address of the server (default: %(default)s)",
    )
    where.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="serve this exported model for the run, no server needed",
    )
    parser.add_argument(
        "--model-name",
        metavar="NAME",
        help="name on the server (default: mask_rcnn, or the folder's with --model)",
    )
    parser.add_argument(
        "--model-version",
        type=whole_number(0, MAX_VERSION),
        metavar="N",
        help="default: the newest",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="inference config, JSON"
    )
    _add_selection(parser.add_argument_group("in place of what the config says"))
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("predictions"),
        metavar="DIR",
        help="where results go (default: %(default)s)",
    )
    parser.add_argument(
        "--draw", action="store_true", help="write overlay pictures too"
    )
    parser.add_argument(
        "--color-by",
        choices=("class", "instance"),
        default="class",
        help="what has a colour of its own in overlays (default: %(default)s)",
    )
    parser.add_argument(
        "--coco", type=Path, metavar="FILE", help="write COCO results too, JSON"
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write a gallery too, one HTML file",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace earlier results, even those of another config or model",
    )
    parser.add_argument(
        "--in-flight",
        type=positive,
        default=4,
        metavar="N",
        help="pictures under way at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--timeout",
        type=some_seconds,
        default=60.0,
        metavar="SECONDS",
        help="for each picture, retries included (default: %(default)g)",
    )
    parser.add_argument(
        "--server-wait",
        type=some_seconds,
        default=LONGEST_REPEATS_S,
        metavar="SECONDS",
        help="for a server that exists: while it loads the model, and after its last "
        "answer (default: %(default)g)",
    )
    parser.add_argument(
        "--debug", action="store_true", help="show tracebacks and more log"
    )
    parser.add_argument("--version", action=ShowVersion)
    return parser


def _add_selection(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--classes",
        type=_names,
        metavar="NAMES",
        help="save only these, the model's own names: a,b,c",
    )
    group.add_argument(
        "--suffix",
        metavar="TEXT",
        help="append this to the names of the model's classes and tags",
    )
    group.add_argument(
        "--min-score",
        type=fraction,
        metavar="P",
        help="leave out what has a lower score, 0 to 1",
    )


def parse_arguments(
    argv: list[str] | None, prog: str = "python -m client"
) -> argparse.Namespace:
    """Reads a command line; ends the program where it makes no sense."""
    parser = build_parser(prog)
    args = parser.parse_args(argv)
    if args.color_by != "class" and not args.draw:
        parser.error("--color-by is for overlays: expected --draw with it")
    if sum((bool(args.images), args.project is not None, args.info)) != 1:
        parser.error("expected pictures, or --project, or --info")
    return args


def _address(text: str) -> str:
    try:
        return check_address(text)
    except ValueError as err:
        told = str(err).removeprefix("address: ")
        raise argparse.ArgumentTypeError(told) from err


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(
            f"expected names with a comma between two, got {text!r}"
        )
    return names
