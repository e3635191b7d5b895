"""Evaluates a checkpoint, a SavedModel or a running server on a set of files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from training.datasets.classes import missing_neutral
from training.datasets.data_formats import labelled_data
from training.datasets.splits import open_set
from training.detectors.model import Limits
from training.evaluation.coco_score import CocoScorer
from training.evaluation.evaluator import (
    MAX_DETECTIONS,
    SCORE_THRESHOLD,
    Tell,
    run_detector,
)
from training.evaluation.files import prepare, write_files
from training.evaluation.hints import nothing_found
from training.evaluation.request import FilePath, Network
from training.evaluation.scores import Evaluation


def evaluate(
    *,
    weights: FilePath | None = None,
    config: FilePath | None = None,
    model: FilePath | None = None,
    server: str | None = None,
    model_name: str = "mask_rcnn",
    model_version: int | None = None,
    neutral: str | None = None,
    classes: Sequence[str] | None = None,
    output: FilePath | None = None,
    overwrite: bool = False,
    score_threshold: float = SCORE_THRESHOLD,
    max_detections: int = MAX_DETECTIONS,
    tell: Tell | None = None,
    say: Callable[[str], None] | None = None,
    **where: Any,
) -> Evaluation:
    """Evaluates a network on a set.

    One of `weights`, `model` and `server` names the network.

    Args:
        weights: checkpoint.
        config: its `config.json`, or Matterport's constants as flat JSON, where that is
            not beside it or one folder up.
        model: SavedModel, a version's folder or the base path of versions.
        server: host and gRPC port of a running server.
        model_name: of the model on the server.
        model_version: of the model on the server or under the base path; the server's
            choice and the latest one without it.
        neutral: title of what the set marks as not to be looked at; a checkpoint's
            config names it.
        classes: class names of the checkpoint in id order, in place of its config's.
        output: folder for the figures, the detections, the curves and the gallery;
            nothing is written without it.
        overwrite: replace the files of an earlier evaluation there.
        score_threshold: detections below it are left out.
        max_detections: of a picture.
        tell: for a progress bar.
        say: is told what had to be assumed, what is odd, and what to change where
            nothing was found.
        where: the set is: `project`, a Supervisely project, with the `tag` of its
            images or all of them; or `coco`, a file, with `images`, the folder of its
            pictures. See `labelled_data` for the rest.

    Raises:
        TrainingError: the network or the data is not there or not readable, their
            classes differ, or the results cannot be written.
    """
    network = Network(
        weights, config, model, server, model_name, model_version, neutral, classes
    )
    data = labelled_data(**where)
    limits = Limits(score_threshold, max_detections)
    if output is not None:
        prepare(Path(output), overwrite=overwrite)
    with ExitStack() as stack:
        candidate = network.open(limits)
        stack.callback(candidate.close)
        say = say or _say_nothing
        for text in candidate.notes:
            say(text)
        dataset = open_set(data, candidate.classes)
        for line in dataset.source.left_out.lines():
            say(f"warning: left out: {line}")
        for text in dataset.notes:
            say(f"warning: {text}")
        named = candidate.classes.neutral
        for text in missing_neutral(named, dataset.source.classes, data.name):
            say(f"warning: {text}")
        scorer = CocoScorer(
            candidate.classes,
            score_threshold=score_threshold,
            max_detections=max_detections,
        )
        run_detector(candidate.detector, dataset, scorer, tell)
    score = scorer.finish()
    for text in nothing_found(score.evaluation, candidate.training):
        say(f"hint: {text}")
    if output is not None:
        origin = {"network": dict(candidate.description), "data": data.describe()}
        write_files(Path(output), origin, dataset, scorer, score)
    return score.evaluation


def _say_nothing(_text: str) -> None:
    pass


__all__ = ["evaluate"]
