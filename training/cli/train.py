"""`python -m training --config train.json --project DIR --output DIR`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from serving.program.stop import INTERRUPTED, heard_at_once
from training.cli.data_flags import add_data_flags, data_arguments, parse
from training.cli.interrupt import stop_of
from training.config.train_config import read_config


def build_parser(prog: str = "python -m training") -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    program = prog.removesuffix(" train")
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Trains a Mask R-CNN on a Supervisely project or COCO files.",
        epilog=f"Also: {program} inspect (look at the data before), {program} evaluate "
        "(COCO AP of a checkpoint, an exported model or a running server); --help of "
        "each tells more.",
    )
    add = parser.add_argument
    add("--config", type=Path, required=True, metavar="JSON", help="train config")
    add_data_flags(parser)
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
    add(
        "--device",
        choices=("auto", "gpu", "cpu"),
        default="auto",
        help="gpu: those that gpu_devices of the config names; auto, the default: the "
        "same, but the CPU where TensorFlow finds no GPU at all",
    )
    add(
        "--resume",
        action="store_true",
        help="go on from the last checkpoint in the output, if there is one",
    )
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def run(argv: Sequence[str], prog: str) -> int:
    """Runs the command line.

    Returns:
        0, or 130 where it was interrupted.

    Raises:
        TrainingError: it cannot be done.
    """
    args = parse(build_parser(prog), argv)
    # Before TensorFlow, which takes seconds to import.
    config = read_config(args.config)
    from training.engine.progress import Console

    console = Console()
    stop = stop_of(console)
    with heard_at_once(stop.heard):
        from training.engine.run import train

        result = train(
            config,
            output=args.output,
            **data_arguments(args),
            weights=args.weights,
            device=args.device,
            resume=args.resume,
            is_stopped=stop.is_asked,
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
