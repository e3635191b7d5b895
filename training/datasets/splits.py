"""Opens the training and the validation set, or one set to evaluate on.

Everything is read once here; what is broken is told all at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from formats.errors import AnnotationFileError, FormatError
from formats.files.archive import MAX_ARCHIVE_BYTES
from formats.quoted import quoted
from training.config.train_config import TrainConfig
from training.datasets.classes import (
    ClassMap,
    background_note,
    make_class_map,
    missing_neutral,
    unknown_classes,
)
from training.datasets.data_formats import labelled_data
from training.datasets.dataset import FileDataset
from training.datasets.labelled_data import FilePath, LabelledData
from training.datasets.set_reader import read_sets, shared_items, too_large_batch
from training.datasets.set_tags import missing_tag, missing_tags
from training.datasets.sources import Source
from training.errors import DatasetError, TrainingError

EVALUATION = "evaluation"
"""What messages call a single set."""
WHOLE_SET = TrainConfig(use_empty_images=True, check_images="header")
"""How a set to evaluate on is read: its empty images belong to it."""


@dataclass(frozen=True)
class Splits:
    """The data of a training.

    Attributes:
        train: the training set.
        val: the validation set.
        warnings: what is odd, but does not stop a training.
    """

    train: FileDataset
    val: FileDataset
    warnings: tuple[str, ...] = ()

    @property
    def classes(self) -> ClassMap:
        """Titles and ids of the classes, the same for both sets."""
        return self.train.classes


def open_splits(
    data: LabelledData,
    config: TrainConfig,
    earlier: Mapping[str, Any] | None = None,
) -> Splits:
    """Opens the two sets of a training.

    Args:
        data: where they are; the classes are those of the training set.
        config: tags, special classes, and how thoroughly to check.
        earlier: `config.json` of the training that is continued.

    Raises:
        DatasetError: lists everything that is wrong with the data.
        TrainingError: the data is not that of two sets, or the classes do not fit the
            config or the earlier training.
    """
    if data.tag is not None:
        raise TrainingError(
            f"tag: the sets of a training are those of dataset_tags in the config, got "
            f"{quoted(data.tag)}; leave it out"
        )
    sources = _open(data, 2)
    first = sources[0]
    classes = _class_map(first, config, earlier)
    tags = {"train": config.dataset_tags.train, "val": config.dataset_tags.val}
    problems = missing_tags(tags, first.tags) if data.format.has_tags else []
    for source in sources[1:]:
        problems += unknown_classes(source.classes, classes, source.where)
    wanted: list[Mapping[str, str | None]] = (
        [tags] if data.format.has_tags else [{purpose: None} for purpose in tags]
    )
    left_out: list[str] = []
    told: list[str] = []
    datasets: dict[str, FileDataset] = {}
    items: dict[str, tuple[Source, tuple[int, ...]]] = {}
    for source, tags_of_sets in zip(sources, wanted, strict=True):
        read = read_sets(source, classes, config, tags_of_sets)
        datasets |= read.datasets
        items |= {purpose: (source, found) for purpose, found in read.items.items()}
        problems += read.problems
        lines = [f"left out: {line}" for line in source.left_out.lines()]
        left_out += lines
        told += [*lines, *source.odd.lines(), *read.notes]
    # A set that is broken is small for that alone.
    problems = problems or too_large_batch(datasets["train"], config)
    if problems:
        raise DatasetError([*problems, *left_out])
    told += background_note(first.classes, classes)
    if data.format.has_tags and tags["train"] == tags["val"]:
        told.append(
            f"dataset_tags: train and val are both {quoted(tags['train'])}; the "
            "network is validated on what it learns"
        )
    else:
        how = "listed in both files"
        if data.format.has_tags:
            how = f"tagged both {quoted(tags['train'])} and {quoted(tags['val'])}"
        told += shared_items(items["train"], items["val"], how)
    told += missing_neutral(classes.neutral, first.classes, first.where)
    return Splits(datasets["train"], datasets["val"], tuple(told))


def open_project_splits(
    path: FilePath,
    config: TrainConfig,
    earlier: Mapping[str, Any] | None = None,
    max_archive_bytes: int = MAX_ARCHIVE_BYTES,
) -> Splits:
    """Opens the sets of a Supervisely project, a folder or an archive.

    See `open_splits`, and `LabelledData` for `max_archive_bytes`.
    """
    data = labelled_data(project=path, max_archive_bytes=max_archive_bytes)
    return open_splits(data, config, earlier)


def open_coco_splits(
    train: FilePath,
    val: FilePath,
    images: FilePath,
    config: TrainConfig,
    earlier: Mapping[str, Any] | None = None,
    *,
    is_lenient: bool = False,
) -> Splits:
    """Opens the sets of two COCO files with the folder of the images of both.

    See `open_splits`, and `LabelledData` for `is_lenient`.
    """
    data = labelled_data(coco=(train, val), images=images, is_lenient=is_lenient)
    return open_splits(data, config, earlier)


def open_set(
    data: LabelledData, classes: ClassMap, config: TrainConfig = WHOLE_SET
) -> FileDataset:
    """Opens one set, with the class ids of a network.

    Args:
        data: where it is.
        classes: of the network.
        config: how thoroughly to check, and whether to keep images without objects.

    Raises:
        DatasetError: lists everything that is wrong with the data.
        TrainingError: the data is not that of one set.
    """
    [source] = _open(data, 1)
    problems = unknown_classes(source.classes, classes, source.where)
    if problem := missing_tag(data.tag, source.tags):
        problems.append(f"{source.where}: {problem}")
    if problems:
        raise DatasetError(problems)
    read = read_sets(source, classes, config, {EVALUATION: data.tag})
    if read.problems:
        raise DatasetError(read.problems)
    told = (*source.odd.lines(), *read.notes)
    return replace(read.datasets[EVALUATION], notes=told)


def _open(data: LabelledData, sets: int) -> list[Source]:
    """Opens every place of data.

    Raises:
        DatasetError: lists the places that cannot be read.
        TrainingError: there are more or fewer than so many sets have.
    """
    form, count = data.format, data.format.places(sets)
    if len(data.places) != count:
        raise TrainingError(
            f"{form.name}: expected {count} {form.title}{'s' * (count > 1)}, got "
            f"{len(data.places)}: {data.name}"
        )
    sources: list[Source] = []
    problems: list[str] = []
    for place in data.places:
        try:
            sources.append(form.open(place, data))
        except FormatError as err:
            problems += (
                err.problems if isinstance(err, AnnotationFileError) else [str(err)]
            )
    if problems:
        raise DatasetError(problems)
    return sources


def _class_map(
    source: Source, config: TrainConfig, earlier: Mapping[str, Any] | None
) -> ClassMap:
    special = config.special_classes
    titles = [c.title for c in source.classes]
    if not set(titles) - {special.background, special.neutral}:
        what = f"only {', '.join(titles)}" if titles else "none"
        raise DatasetError(
            [
                f"{source.where}: expected classes to learn, got {what}; add classes "
                "and objects"
            ]
        )
    return make_class_map(
        source.classes,
        background=special.background,
        neutral=special.neutral,
        weights_init_type=config.weights_init_type,
        earlier=earlier,
    )
