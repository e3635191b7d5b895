"""What a checkpoint's network is and which classes it knows, from its files or flags.

A config is a training's `config.json`, or a flat JSON of Matterport's constants, as
`python -m export --config` takes them; a flag beats it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formats.checkpoint_config import (
    CLASS_IDS,
    CONFIG_NAME,
    KINDS_EXPECTED,
    CheckpointConfig,
    is_checkpoint_config,
)
from formats.class_names import COCO_CLASSES, complete_titles
from formats.config import load_config
from formats.drawing.palette import distinct_color
from formats.errors import FormatError
from formats.json_file import read_json
from formats.supervisely.meta import BITMAP, ClassMeta
from models.architecture import Architecture
from models.config import ModelConfig
from models.matterport_config import MATTERPORT_NAMES, from_matterport
from training.datasets.classes import BACKGROUND_COLOR, ClassMap
from training.errors import TrainingError
from training.weights.checkpoint_config import earlier_config


@dataclass(frozen=True)
class EvaluatedConfig:
    """A checkpoint's network and its classes.

    Attributes:
        model: the network.
        classes: its classes.
        content: of the training's `config.json`; empty where there is none.
        notes: what had to be assumed, one text each.
    """

    model: ModelConfig
    classes: ClassMap
    content: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def read_model_config(
    weights: Path,
    architecture: Architecture,
    *,
    config: Path | None,
    titles: Sequence[str] | None,
) -> EvaluatedConfig:
    """Puts together what is known of a checkpoint.

    Args:
        weights: the file; its config is looked for beside it or one folder up.
        architecture: what the file holds.
        config: in place of the one near the weights.
        titles: class names in id order, from class 1 or from the background.

    Raises:
        ConfigFileError: a config is not readable, or has values of another kind.
        ModelConfigError: its network is not the checkpoint's.
        TrainingError: nothing names the classes, or not as many as the network has.
    """
    where, content = _read(weights, config)
    if is_checkpoint_config(content):
        return _trained(where, content, weights, architecture, titles)
    notes: list[str] = []
    if isinstance(content, dict) and MATTERPORT_NAMES & content.keys():
        model = from_matterport(content, architecture)
    elif config is not None:
        raise TrainingError(f"{config}: {KINDS_EXPECTED}, got {_short(content)}")
    else:
        model = ModelConfig(architecture=architecture)
        notes.append(
            f"no config of {weights} found: Matterport's defaults count, pictures of "
            f"{model.min_dim} to {model.max_dim} pixels; --config names another"
        )
    if titles is None:
        if architecture.num_classes != len(COCO_CLASSES) + 1:
            raise TrainingError(_unnamed(weights, content, architecture))
        titles = COCO_CLASSES
        notes.append(
            "nothing names the 80 classes: COCO's are assumed, in Matterport's order; "
            "--classes names others"
        )
    classes = _named(titles, architecture.num_classes)
    return EvaluatedConfig(model, classes, {}, tuple(notes))


def _read(weights: Path, config: Path | None) -> tuple[str, Any]:
    """Returns what messages call the config, and its content."""
    if config is None:
        return f"{CONFIG_NAME} of {weights}", earlier_config(weights)
    return str(config), read_json(config)


def _trained(
    where: str,
    content: dict[str, Any],
    weights: Path,
    architecture: Architecture,
    titles: Sequence[str] | None,
) -> EvaluatedConfig:
    read = load_config(content, CheckpointConfig, name=where)
    expected = architecture.num_classes
    if titles is not None:
        classes = _named(titles, expected, read.neutral)
    else:
        classes = _mapped(read)
        if classes.num_classes != expected:
            raise TrainingError(
                f"{where}: {CLASS_IDS} has ids up to {classes.num_classes - 1}, the "
                f"weights {weights} have {expected} classes (ids 0 to {expected - 1}); "
                "name the config that was saved with the weights with --config"
            )
    return EvaluatedConfig(
        from_matterport(read.constants, architecture), classes, content
    )


def _mapped(config: CheckpointConfig) -> ClassMap:
    ids, colors = config.class_title_to_idx, config.colors
    return ClassMap(
        tuple(
            ClassMeta(title, BITMAP, colors.get(title) or distinct_color(class_id))
            for title, class_id in ids.items()
        ),
        ids,
        config.neutral,
    )


def _named(
    titles: Sequence[str], num_classes: int, neutral: str | None = None
) -> ClassMap:
    """Returns the classes of a list of names in id order.

    Raises:
        TrainingError: another number of names, an empty name, or one that is doubled.
    """
    try:
        names = complete_titles(titles, num_classes)
    except FormatError as err:
        raise TrainingError(str(err)) from err
    return ClassMap(
        tuple(
            ClassMeta(title, BITMAP, distinct_color(i) if i else BACKGROUND_COLOR)
            for i, title in enumerate(names)
        ),
        {title: i for i, title in enumerate(names)},
        neutral,
    )


def _unnamed(weights: Path, content: Any, architecture: Architecture) -> str:
    found = "none" if content is None else f"one without {CLASS_IDS}"
    return (
        f"{weights}: expected its {CONFIG_NAME}, which names the classes, got {found}; "
        f"name it with --config, or the {architecture.num_classes - 1} classes in the "
        "order of their ids with --classes a,b,c or --classes FILE"
    )


def _short(content: Any) -> str:
    if not isinstance(content, dict):
        return f"{content!r:.60}"
    keys = [str(key) for key in content]
    more = ", ..." if len(keys) > 5 else ""
    return f"the keys {', '.join(keys[:5])}{more}" if keys else "an empty object"
