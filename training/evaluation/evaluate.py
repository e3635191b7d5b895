"""Evaluates a checkpoint, a SavedModel or a running server on a set of files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from os import PathLike
from pathlib import Path

from training.datasets.classes import missing_neutral
from training.datasets.labelled_data import LabelledData
from training.datasets.splits import open_set
from training.detectors.model import COCO_LIMITS, DetectionLimits
from training.detectors.sources import ModelSource, open_model
from training.evaluation.evaluator import Tell, run_detector
from training.evaluation.files import prepare, write_evaluation
from training.evaluation.hints import nothing_found
from training.evaluation.keywords import takes_keywords
from training.evaluation.scores import Evaluation


@takes_keywords
def evaluate(
    model: ModelSource,
    data: LabelledData,
    *,
    neutral: str | None = None,
    limits: DetectionLimits = COCO_LIMITS,
    output: str | PathLike[str] | None = None,
    overwrite: bool = False,
    tell: Tell | None = None,
    say: Callable[[str], None] | None = None,
) -> Evaluation:
    """Evaluates a model on a set.

    Args:
        model: where it is: `Weights`, `ModelFolder` or `ModelServer`.
        data: where the set is; `labelled_data` makes it.
        neutral: title of what the set marks as not to be looked at; a checkpoint's
            config names it.
        limits: which detections are scored.
        output: folder for the figures, the detections, the curves and the gallery;
            nothing is written without it.
        overwrite: replace the files of an earlier evaluation there.
        tell: for a progress bar.
        say: is told what had to be assumed, what is odd, and what to change where
            nothing was found.

    Raises:
        TrainingError: the model or the data is not there or not readable, their classes
            differ, or the results cannot be written.
    """
    if output is not None:
        prepare(Path(output), overwrite=overwrite)
    with ExitStack() as stack:
        opened = open_model(model, limits, neutral=neutral)
        stack.callback(opened.close)
        say = say or _say_nothing
        for text in opened.notes:
            say(text)
        dataset = open_set(data, opened.classes)
        for line in dataset.source.left_out.lines():
            say(f"warning: left out: {line}")
        for text in dataset.notes:
            say(f"warning: {text}")
        named = opened.classes.neutral
        for text in missing_neutral(named, dataset.source.classes, data.name):
            say(f"warning: {text}")
        scorer = run_detector(opened.detector, dataset, limits, tell)
    score = scorer.finish()
    for text in nothing_found(score.evaluation, opened.training):
        say(f"hint: {text}")
    if output is not None:
        origin = {"network": dict(opened.description), "data": data.describe()}
        write_evaluation(Path(output), origin, dataset, scorer, score)
    return score.evaluation


def _say_nothing(_text: str) -> None:
    pass
