"""What a command line asks for: images, results, and what these depend on."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client.client import Client
from client.errors import OutputError
from client.runs.coco_output import CocoResults
from client.runs.image_work import ImageWork
from client.runs.overlay_output import OVERLAYS, Overlays
from client.runs.paths import holds, resolve_path
from client.runs.project_work import ProjectWork
from client.runs.report_output import ReportFile
from client.runs.run import Extra
from client.runs.work import Work
from formats.files.atomic_file import make_folder
from formats.files.safe_path import OWN_NAMES
from formats.files.writing import writing

if TYPE_CHECKING:
    from client.config.inference_config import InferenceConfig


def load_inference_config(args: argparse.Namespace) -> InferenceConfig | None:
    """Returns the inference config that a command line asks for, None for none.

    Raises:
        ConfigError: the file is not readable, or no inference config.
    """
    from client.config.inference_config import (
        InferenceConfig,  # after --help, which needs no pydantic
    )

    config = None if args.config is None else InferenceConfig.load(args.config)
    if args.classes is args.suffix is args.min_score is None:
        return config
    config = InferenceConfig.plain() if config is None else config
    return config.changed(
        classes=args.classes, suffix=args.suffix, min_score=args.min_score
    )


def open_work(args: argparse.Namespace) -> Work:
    """Returns the images to predict.

    Raises:
        OutputError: there are none.
    """
    if args.project is not None:
        own_names = {OVERLAYS} if args.draw else set()
        return ProjectWork(args.project, args.output, args.max_archive_bytes, own_names)
    return ImageWork(args.images, args.output)


def make_extras(args: argparse.Namespace, client: Client, work: Work) -> list[Extra]:
    """Returns what is made beside annotations.

    Raises:
        OutputError: a file of all images cannot be written where the user wants it.
    """
    extras: list[Extra] = []
    files: list[Path] = []
    model = client.info()
    if args.draw:
        extras.append(Overlays(work, args.color_by))
    if args.coco is not None:
        coco = CocoResults(args.coco, work, model.classes)
        extras.append(coco)
        files += [args.coco, coco.images_path]
    if args.report is not None:
        extras.append(ReportFile(args.report, work, model, "Predictions"))
        files.append(args.report)
    _check_files(files, args.output, work)
    return extras


def _check_files(files: list[Path], output: Path, work: Work) -> None:
    """Checks before the first image what would fail after the last.

    Raises:
        OutputError: a file would replace another one, or cannot be written.
    """
    root = resolve_path(output)
    own = {str(root / name) for name in OWN_NAMES}
    taken = {*own, *work.inputs}
    for path in files:
        real = resolve_path(path)
        if {str(real), *map(str, real.parents)} & taken:
            raise OutputError(
                f"{path}: expected a name of its own, got that of an input or of "
                "another result; choose another file"
            )
        taken.add(str(real))
        with writing(path, OutputError):
            make_folder(path.parent)
        if holds(path.is_dir):
            raise OutputError(f"{path}: expected a file, got a folder")


def describe_run(
    client: Client,
    work: Work,
    config: InferenceConfig | None,
    color_by: str = "class",
) -> dict[str, Any]:
    """Returns JSON values: all that the results of a run depend on.

    Raises:
        ClientError: classes of model and project clash.
    """
    info = client.info()
    meta = json.dumps(client.output_meta(work.meta).to_json(), sort_keys=True)
    drawing = {} if color_by == "class" else {"color_by": color_by}
    return drawing | {
        "input": work.inputs,
        "config": None if config is None else config.model_dump(mode="json"),
        "model": info.name,
        "version": client.model_version,
        "created": info.created,
        "weights": dict(info.checkpoint),
        "meta": hashlib.sha256(meta.encode()).hexdigest()[:16],
    }
