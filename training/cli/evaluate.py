"""`python -m training evaluate`: COCO figures of a network on a set."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from formats.class_names import read_class_names
from formats.errors import ConfigFileError
from serving.program.terminal import Bar, write
from training.cli.data_flags import add_data_flags, data_arguments, parse
from training.datasets.data_formats import labelled_data
from training.detectors.model import DetectionLimits
from training.detectors.sources import ModelServer
from training.errors import TrainingError
from training.evaluation.scores import Evaluation

_ROWS = (
    ("AP", "ap"),
    ("AP50", "ap50"),
    ("AP75", "ap75"),
    ("AP small", "ap_small"),
    ("AP medium", "ap_medium"),
    ("AP large", "ap_large"),
    ("AR", "ar"),
)


def build_parser(prog: str = "python -m training evaluate") -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Computes COCO's average precision of a network on labelled "
        "pictures, and shows where it is good and bad.",
    )
    add = parser.add_argument
    network = parser.add_mutually_exclusive_group(required=True)
    network.add_argument("--weights", type=Path, metavar="H5", help="checkpoint")
    network.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="SavedModel: the folder of a version, or of versions (the latest counts)",
    )
    network.add_argument(
        "--server", metavar="HOST:PORT", help="running server, its gRPC port"
    )
    add(
        "--config",
        type=Path,
        metavar="JSON",
        help="config.json of the checkpoint, or a flat JSON of Matterport's constants "
        "(default: found beside the weights or one folder up)",
    )
    add(
        "--classes",
        metavar="NAMES",
        help="class names of the checkpoint in id order: a,b,c or a file",
    )
    add(
        "--model-name",
        default=ModelServer.name,
        metavar="NAME",
        help="on the server (default: %(default)s)",
    )
    add("--model-version", type=int, metavar="V", help="on the server or in --model")
    add_data_flags(parser, is_single=True)
    add("--neutral", metavar="CLASS", help="class that marks what not to look at")
    add("--output", type=Path, required=True, metavar="DIR", help="for the results")
    add(
        "--score-threshold",
        type=float,
        default=DetectionLimits.score_threshold,
        metavar="P",
        help="weaker detections are left out (default: %(default)s)",
    )
    add(
        "--max-detections",
        type=int,
        default=DetectionLimits.max_detections,
        metavar="N",
        help="of a picture (default: %(default)s)",
    )
    add("--overwrite", action="store_true", help="replace an earlier evaluation")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def run(argv: Sequence[str], prog: str) -> int:
    """Runs the command line.

    Returns:
        0.

    Raises:
        TrainingError: what is wrong, in words for the user.
    """
    args = parse(build_parser(prog), argv)
    from training.evaluation.evaluate import evaluate
    from training.evaluation.keywords import named_model

    model = named_model(
        weights=args.weights,
        config=args.config,
        classes=None if args.classes is None else _read_names(args.classes),
        model=args.model,
        server=args.server,
        model_name=args.model_name,
        model_version=args.model_version,
    )
    data = labelled_data(**data_arguments(args), tag=args.tag)
    with Bar("pictures") as bar:
        evaluation = evaluate(
            model,
            data,
            neutral=args.neutral,
            limits=DetectionLimits(args.score_threshold, args.max_detections),
            output=args.output,
            overwrite=args.overwrite,
            tell=bar.move,
            say=bar.write,
        )
    sys.stdout.write(table(evaluation))
    write(f"written: {args.output}")
    return 0


def _read_names(text: str) -> tuple[str, ...]:
    try:
        return read_class_names(text)
    except ConfigFileError as err:
        raise TrainingError(str(err)) from err


def table(evaluation: Evaluation) -> str:
    """Returns the figures as lines of text; "-" where there is nothing to measure."""
    mask, box = evaluation.mask, evaluation.box
    lines = [f"{'':14}{'mask':>8}{'box':>8}"]
    for title, name in _ROWS:
        cells = "".join(_cell(getattr(kind, name)) for kind in (mask, box))
        lines.append(f"{title:14}{cells}")
    lines += ["", *_class_lines(evaluation), ""]
    objects = sum(evaluation.objects.values())
    lines.append(
        f"pictures {evaluation.images}, objects {objects}, detections "
        f"{evaluation.detections} (score >= {evaluation.score_threshold:g}, at most "
        f"{evaluation.max_detections} of a picture)"
    )
    if evaluation.f1_score_threshold is not None:
        lines.append(
            f"best F1 of masks at IoU 0.5: {evaluation.f1:.4f}, at score threshold "
            f"{evaluation.f1_score_threshold:.4f}"
        )
    return "\n".join(lines) + "\n"


def _class_lines(evaluation: Evaluation) -> list[str]:
    width = max(14, *(len(title) + 2 for title in evaluation.objects))
    heads = ("objects", "mask AP", "AP50", "box AP", "AP50")
    lines = ["class".ljust(width) + "".join(f"{head:>9}" for head in heads)]
    for title, count in evaluation.objects.items():
        mask, box = evaluation.mask.classes[title], evaluation.box.classes[title]
        cells = "".join(
            f" {_cell(value)}" for value in (mask.ap, mask.ap50, box.ap, box.ap50)
        )
        lines.append(f"{title:{width}}{count:9}{cells}")
    return lines


def _cell(value: float | None) -> str:
    return f"{'-':>8}" if value is None else f"{value:8.4f}"
