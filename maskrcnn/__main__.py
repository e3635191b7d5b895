"""`maskrcnn COMMAND`: what `python -m training`, `export`, `serving` and `client` do.

A script, unlike `python -m`, does not look for modules in the working directory, where
a folder called `client` or `models` may be something else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from serving.program.run import end
from serving.program_version import ShowVersion

COMMANDS = {
    "inspect": "look at labelled images as a training will see them",
    "train": "train a network on a Supervisely project or COCO files",
    "evaluate": "compute COCO AP of a checkpoint, an exported model or a server",
    "export": "turn a checkpoint into a SavedModel for TensorFlow Serving",
    "serve": "serve a SavedModel over gRPC and REST",
    "predict": "find instances in images, with a server or an exported model",
}
"""In the order in which they are used."""
_PACKAGES = {"export": "export", "serve": "serving", "predict": "client"}
_WAY = """\
from images to masks:
  maskrcnn inspect --config train.json --project my_project --output look
  maskrcnn train --config train.json --project my_project --output run
  maskrcnn evaluate --weights run --project my_project --tag val --output scores
  maskrcnn export --weights run --output exported/mine
  maskrcnn predict street.jpg --model exported/mine --draw

A checkpoint that is there already, as Matterport's mask_rcnn_coco.h5, begins at export.
maskrcnn COMMAND --help tells more.
"""


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the first argument."""
    parser = argparse.ArgumentParser(
        prog="maskrcnn",
        description="Mask R-CNN from labelled images to TensorFlow Serving.",
        epilog=_WAY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command, text in COMMANDS.items():
        commands.add_parser(command, help=text, add_help=False)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # What follows the command is read by its own parser.
    command = build_parser().parse_args(arguments[:1]).command
    prog = f"maskrcnn {command}"
    code: int
    if command in _PACKAGES:
        program = import_module(f"{_PACKAGES[command]}.__main__")
        code = program.main(arguments[1:], prog=prog)
    else:
        program = import_module("training.__main__")
        code = program.run_verb(command, arguments[1:], prog=prog)
    return code


def script() -> NoReturn:
    """Runs the command line of this process, and ends it."""
    end(main())


if __name__ == "__main__":
    script()
