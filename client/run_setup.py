"""What a command line asks for: pictures, results, and what these depend on."""

from __future__ import annotations

import argparse
import hashlib
import json
from typing import TYPE_CHECKING, Any

from client.batch import Extra
from client.client import Client
from client.coco_output import CocoResults
from client.overlay_output import OVERLAYS, Overlays
from client.picture_work import PictureWork
from client.project_work import ProjectWork
from client.report_output import Report
from client.work import Work

if TYPE_CHECKING:
    from client.config import InferenceConfig


def read_config(args: argparse.Namespace) -> InferenceConfig | None:
    """Returns the inference config that a command line asks for, None for none.

    Raises:
        ConfigError: the file is not readable, or no inference config.
    """
    from client.config import InferenceConfig  # after --help, which needs no pydantic

    config = None if args.config is None else InferenceConfig.load(args.config)
    if args.classes is args.suffix is args.min_score is None:
        return config
    config = InferenceConfig.plain() if config is None else config
    return config.changed(
        classes=args.classes, suffix=args.suffix, min_score=args.min_score
    )


def open_work(args: argparse.Namespace) -> Work:
    """Returns the pictures to predict.

    Raises:
        OutputError: there are none.
    """
    if args.project is not None:
        own_names = {OVERLAYS} if args.draw else set()
        return ProjectWork(args.project, args.output, args.max_archive_bytes, own_names)
    return PictureWork(args.images, args.output)


def make_extras(args: argparse.Namespace, client: Client, work: Work) -> list[Extra]:
    """Returns what is made beside annotations."""
    extras: list[Extra] = []
    model = client.info()
    if args.draw:
        extras.append(Overlays(work, args.color_by))
    if args.coco is not None:
        extras.append(CocoResults(args.coco, work, model.classes))
    if args.report is not None:
        extras.append(Report(args.report, work, model, "Predictions"))
    return extras


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


__all__ = ["describe_run", "make_extras", "open_work", "read_config"]
