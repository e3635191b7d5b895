"""Command line of the export: `python -m export --weights w.h5`."""

from __future__ import annotations

import argparse
import logging
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serving.program.numbers import positive
from serving.program.run import DONE, run_program
from serving.program_version import version_line

logger = logging.getLogger(__name__)

OVERRIDES = (
    "min_dim",
    "max_dim",
    "resize_mode",
    "score_threshold",
    "iou_threshold",
    "max_detections",
)
"""Flags that set the `ModelConfig` field of their name."""


def build_parser(prog: str = "python -m export") -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Turns a Mask R-CNN checkpoint into a SavedModel for TensorFlow "
        "Serving and prints the path of the new version.",
        epilog="A training's config.json is found beside the weights or one folder up.",
    )
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--weights",
        type=Path,
        metavar="H5",
        help="checkpoint to export: a file, the folder of a checkpoint, or that of a "
        "training, whose best checkpoint is taken",
    )
    what.add_argument(
        "--inspect", type=Path, metavar="H5", help="print what one holds, and stop"
    )
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help="base path of the version folders (default: exported/<model name>)",
    )
    add(
        "--model-name", default="mask_rcnn", metavar="NAME", help="default: %(default)s"
    )
    add(
        "--version",
        type=positive,
        metavar="N",
        help="default: the next free one; alone it shows the version of this program",
    )
    add(
        "--config",
        type=Path,
        metavar="JSON",
        help="training config.json, or a flat JSON of Matterport's constants",
    )
    add("--classes", metavar="NAMES", help="class names in id order: a,b,c or a file")
    add("--min-dim", type=int, metavar="PX", help="default: config, else 800")
    add("--max-dim", type=int, metavar="PX", help="default: config, else 1024")
    add(
        "--resize-mode",
        choices=("square", "pad64", "none"),
        help="default: config, else square",
    )
    add("--score-threshold", type=float, metavar="P", help="default: config, else 0.7")
    add(
        "--iou-threshold",
        type=float,
        metavar="IOU",
        help="of the NMS; default: config, else 0.3",
    )
    add("--max-detections", type=int, metavar="N", help="default: config, else 100")
    add(
        "--max-image-pixels",
        type=positive,
        metavar="N",
        help="larger pictures are refused (default: 100,000,000)",
    )
    add(
        "--verify-image",
        type=Path,
        metavar="FILE",
        help="picture with objects to verify with, in place of generated ones",
    )
    add("--overwrite", action="store_true", help="replace an existing --version")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m export") -> int:
    """Runs the command line.

    Returns:
        0, 1 after an error, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        print(version_line())
        return DONE
    parser = build_parser(prog)
    args = parser.parse_args(arguments)
    if args.overwrite and args.version is None:
        parser.error("--overwrite replaces a version: name it with --version")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return run_program(
        lambda: _run(args),
        package="export",
        errors=_errors,
        needed=("tensorflow", "keras", "h5py"),
        debug=args.debug,
    )


def _errors() -> tuple[type[Exception], ...]:
    from export.errors import ExportError
    from models.errors import WeightsError

    return ExportError, WeightsError


def _run(args: argparse.Namespace) -> int:
    from export.settings import Options, read_classes
    from models.weight_path import find_weights

    named = args.inspect or args.weights
    weights = find_weights(named)
    if weights != named:
        logger.info("weights: %s", weights)
    options = Options(
        weights=weights,
        config=args.config,
        classes=read_classes(args.classes) if args.classes else None,
        output=args.output,
        model_name=args.model_name,
        version=args.version,
        overwrite=args.overwrite,
        verify_image=args.verify_image,
        overrides=_given(args, OVERRIDES),
        **_given(args, ("max_image_pixels",)),
    )
    if args.inspect:
        return _inspect(options)
    from export.pipeline import export_model

    print(export_model(options))
    return DONE


def _inspect(options: Any) -> int:
    from export.errors import ExportError
    from export.inspection import describe
    from export.settings import resolve_settings
    from models.checkpoint import inspect_checkpoint

    checkpoint = inspect_checkpoint(options.weights)
    try:
        print(describe(checkpoint, resolve_settings(options, checkpoint)))
    except ExportError as err:
        print(describe(checkpoint, None))
        print(textwrap.indent(f"config: {err}", "  "))
    return DONE


def _given(args: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Returns the flags of these names that were given."""
    values = {name: getattr(args, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


if __name__ == "__main__":
    raise SystemExit(main())
