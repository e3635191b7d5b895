"""A model named by keywords, as the command line does, and `evaluate` did.

`takes_keywords` goes with the release after the one that brought `Weights`,
`ModelFolder` and `ModelServer`.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

from training.datasets.data_formats import labelled_data
from training.datasets.labelled_data import FilePath
from training.detectors.model import DetectionLimits
from training.detectors.sources import ModelFolder, ModelServer, ModelSource, Weights
from training.errors import TrainingError
from training.evaluation.scores import Evaluation

P = ParamSpec("P")


def named_model(
    *,
    weights: FilePath | None = None,
    config: FilePath | None = None,
    classes: Sequence[str] | None = None,
    model: FilePath | None = None,
    server: str | None = None,
    model_name: str = ModelServer.name,
    model_version: int | None = None,
) -> ModelSource:
    """Returns the model that one of `weights`, `model` and `server` names.

    What goes with each is told at `Weights`, `ModelFolder` and `ModelServer`.

    Raises:
        TrainingError: none is named or several are, or what goes with another.
    """
    given = [str(one) for one in (weights, model, server) if one is not None]
    if len(given) != 1:
        raise TrainingError(
            "expected one of weights, model and server, got "
            f"{' and '.join(given) or 'none'}"
        )
    if weights is not None:
        return Weights(weights, config, classes)
    for name, value in (("config", config), ("classes", classes)):
        if value is not None:
            raise TrainingError(
                f"{name}: goes with weights; an exported model has its own, leave "
                f"--{name} out"
            )
    if model is not None:
        return ModelFolder(model, model_version)
    return ModelServer(given[0], model_name, model_version)


def takes_keywords(evaluate: Callable[P, Evaluation]) -> Callable[P, Evaluation]:
    """Lets `evaluate` be called with every file as a keyword, as it was."""
    kept = {"neutral", "output", "overwrite", "tell", "say"}

    @functools.wraps(evaluate)
    def call(*args: P.args, **kwargs: P.kwargs) -> Evaluation:
        if args or "data" in kwargs:
            return evaluate(*args, **kwargs)
        warnings.warn(
            "evaluate(weights=..., project=..., ...): expected the model and the data, "
            "got each file as a keyword, which ends with the next release; call "
            "evaluate(Weights(...), labelled_data(project=...), ...)",
            DeprecationWarning,
            stacklevel=2,
        )
        given: dict[str, Any] = dict(kwargs)
        rest = _taken(given, kept)
        limits = DetectionLimits(**_taken(given, DetectionLimits.__match_args__))
        model = named_model(**_taken(given, inspect.signature(named_model).parameters))
        described: Callable[..., Evaluation] = evaluate
        return described(model, labelled_data(**given), limits=limits, **rest)

    return call


def _taken(given: dict[str, Any], names: Any) -> dict[str, Any]:
    """Takes out what has one of the names."""
    return {name: given.pop(name) for name in names if name in given}
