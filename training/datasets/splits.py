"""Opens the training and the validation set, or one set to evaluate on.

Everything is read once here; what is broken is told all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, TypeVar

from formats.errors import AnnotationError, FormatError
from formats.files.archive import MAX_ARCHIVE_BYTES
from formats.supervisely.meta import ClassMeta
from training.config.train_config import TrainConfig
from training.datasets.check import Facts
from training.datasets.classes import ClassMap, make_class_map
from training.datasets.coco import open_coco_source
from training.datasets.dataset import FileDataset
from training.datasets.neutral_class import missing_neutral
from training.datasets.set_notes import background_note
from training.datasets.set_reader import (
    Sets,
    both_sets,
    read_sets,
    shared_items,
    too_large_batch,
    unknown_classes,
)
from training.datasets.supervisely import (
    missing_tag,
    missing_tags,
    open_supervisely,
    split_by_tags,
)
from training.errors import DatasetError, TrainingError

FilePath = str | PathLike[str]
T = TypeVar("T")
EVALUATION = "evaluation"
"""What messages call a single set."""


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


def open_project_splits(
    path: FilePath,
    config: TrainConfig,
    earlier: Mapping[str, Any] | None = None,
    max_archive_bytes: int = MAX_ARCHIVE_BYTES,
) -> Splits:
    """Opens the sets of a Supervisely project.

    Args:
        path: folder or archive.
        config: tags, special classes, and how thoroughly to check.
        earlier: `config.json` of the training that is continued.
        max_archive_bytes: what a compressed archive may unpack to.

    Raises:
        DatasetError: lists everything that is wrong with the data.
        TrainingError: the classes do not fit the config or the earlier training.
    """
    source = _opened(lambda: open_supervisely(path, max_archive_bytes))
    left_out = [f"left out: {line}" for line in source.left_out.lines()]
    meta = source.project.meta
    classes = _class_map(meta.classes, config, earlier, source.project.locate(""))
    tags = {"train": config.dataset_tags.train, "val": config.dataset_tags.val}
    problems = missing_tags(tags, meta)
    absent = {p for p, name in tags.items() if name not in {t.name for t in meta.tags}}

    def split(facts: Mapping[int, Facts]) -> Sets:
        return split_by_tags(tags, {i: fact.tags for i, fact in facts.items()})

    texts = {p: f'with the tag "{t}"' for p, t in tags.items() if p not in absent}
    read = read_sets(source, classes, config, split, texts)
    problems += read.problems
    # A set that is broken is small for that alone.
    problems = problems or too_large_batch(read.datasets["train"], config)
    if problems:
        raise DatasetError([*problems, *left_out])
    told = [*left_out, *read.notes, *background_note(meta.classes, classes)]
    warnings = [*told, *shared_items(source, read.items, tags)]
    where = source.project.locate("")
    warnings += missing_neutral(classes.neutral, source.classes, where)
    return Splits(read.datasets["train"], read.datasets["val"], tuple(warnings))


def open_coco_splits(
    train: FilePath,
    val: FilePath,
    images: FilePath,
    config: TrainConfig,
    earlier: Mapping[str, Any] | None = None,
    *,
    is_lenient: bool = False,
) -> Splits:
    """Opens the sets of two COCO files.

    Args:
        train: COCO file of the training set; its categories are the classes.
        val: COCO file of the validation set.
        images: folder of the pictures of both.
        config: special classes, and how thoroughly to check.
        earlier: `config.json` of the training that is continued.
        is_lenient: go past what a training can do without, and count it.

    Raises:
        DatasetError: lists everything that is wrong with the data.
        TrainingError: the classes do not fit the config or the earlier training.
    """
    paths = {"train": train, "val": val}
    sources = {}
    problems: list[str] = []
    for purpose, path in paths.items():
        try:
            opened = open_coco_source(path, images, is_lenient=is_lenient)
            sources[purpose] = opened
        except FormatError as err:
            problems += _texts(err)
    if problems:
        raise DatasetError(problems)
    classes = _class_map(sources["train"].classes, config, earlier, str(train))
    problems += unknown_classes(sources["val"].classes, classes, str(val))
    datasets: dict[str, FileDataset] = {}
    told: list[str] = []
    for purpose, source in sources.items():
        whole = {purpose: tuple(range(len(source)))}
        texts = {purpose: f"of {paths[purpose]}"}
        read = read_sets(source, classes, config, _only(whole), texts)
        datasets |= read.datasets
        problems += read.problems
        told += [f"left out: {line}" for line in source.left_out.lines()]
        told += [*source.odd.lines(), *read.notes]
    problems = problems or too_large_batch(datasets["train"], config)
    if problems:
        raise DatasetError(problems)
    told += background_note(sources["train"].classes, classes)
    train_paths = set(sources["train"].paths)
    both = [path for path in sources["val"].paths if path in train_paths]
    warnings = [*told, *([both_sets(both, "listed in both files")] if both else [])]
    warnings += missing_neutral(classes.neutral, sources["train"].classes, str(train))
    return Splits(datasets["train"], datasets["val"], tuple(warnings))


def open_splits(
    config: TrainConfig,
    *,
    project: FilePath | None = None,
    coco: tuple[FilePath, FilePath] | None = None,
    images: FilePath | None = None,
    earlier: Mapping[str, Any] | None = None,
    max_archive_bytes: int = MAX_ARCHIVE_BYTES,
    is_lenient: bool = False,
) -> Splits:
    """Opens the sets of a project, or of COCO files.

    Args:
        config: see the two functions for it.
        project: folder or archive.
        coco: COCO files of the training and the validation set.
        images: folder of their pictures.
        earlier: `config.json` of the training that is continued.
        max_archive_bytes: what a compressed archive may unpack to.
        is_lenient: go past what of COCO files a training can do without, and count it.

    Raises:
        DatasetError: lists everything that is wrong with the data.
        TrainingError: neither or both are given, or the classes do not fit.
    """
    if project is not None and coco is None and images is None and not is_lenient:
        return open_project_splits(project, config, earlier, max_archive_bytes)
    if project is None and coco is not None and images is not None:
        return open_coco_splits(*coco, images, config, earlier, is_lenient=is_lenient)
    raise TrainingError(
        "data: expected a Supervisely project, or COCO files of both sets with the "
        "folder of their images (these alone can be read leniently)"
    )


def open_project_set(
    path: FilePath,
    tag: str | None,
    classes: ClassMap,
    config: TrainConfig,
    max_archive_bytes: int = MAX_ARCHIVE_BYTES,
) -> FileDataset:
    """Opens one set of a Supervisely project, with the class ids of a network.

    Args:
        path: folder or archive.
        tag: image tag of the set; None takes every picture.
        classes: of the network.
        config: how thoroughly to check, and whether to keep pictures without objects.
        max_archive_bytes: what a compressed archive may unpack to.

    Raises:
        DatasetError: lists everything that is wrong with the data.
    """
    source = _opened(lambda: open_supervisely(path, max_archive_bytes))
    where = source.project.locate("")
    problems = unknown_classes(source.classes, classes, where)
    if tag is not None and (problem := missing_tag(tag, source.project.meta)):
        problems.append(f"{where}: {problem}")
    if problems:
        raise DatasetError(problems)

    def split(facts: Mapping[int, Facts]) -> Sets:
        if tag is None:
            return {EVALUATION: tuple(facts)}
        return split_by_tags(
            {EVALUATION: tag}, {i: fact.tags for i, fact in facts.items()}
        )

    texts = {EVALUATION: f"of {where}" if tag is None else f'with the tag "{tag}"'}
    read = read_sets(source, classes, config, split, texts)
    if read.problems:
        raise DatasetError(read.problems)
    return replace(read.datasets[EVALUATION], notes=tuple(read.notes))


def open_coco_set(
    path: FilePath,
    images: FilePath,
    classes: ClassMap,
    config: TrainConfig,
    *,
    is_lenient: bool = False,
) -> FileDataset:
    """Opens a COCO file, with the class ids of a network.

    Args:
        path: COCO file.
        images: folder of its pictures.
        classes: of the network.
        config: how thoroughly to check, and whether to keep pictures without objects.
        is_lenient: go past what can be done without.

    Raises:
        DatasetError: lists everything that is wrong with the data.
    """
    source = _opened(lambda: open_coco_source(path, images, is_lenient=is_lenient))
    problems = unknown_classes(source.classes, classes, str(path))
    if problems:
        raise DatasetError(problems)
    whole = {EVALUATION: tuple(range(len(source)))}
    texts = {EVALUATION: f"of {path}"}
    read = read_sets(source, classes, config, _only(whole), texts)
    if read.problems:
        raise DatasetError(read.problems)
    told = (*source.odd.lines(), *read.notes)
    return replace(read.datasets[EVALUATION], notes=told)


def _opened(opener: Callable[[], T]) -> T:
    try:
        return opener()
    except FormatError as err:
        raise DatasetError(_texts(err)) from err


def _only(sets: Sets) -> Callable[[Mapping[int, Facts]], Sets]:
    return lambda _: sets


def _texts(err: FormatError) -> Sequence[str]:
    return err.problems if isinstance(err, AnnotationError) else [str(err)]


def _class_map(
    classes: Sequence[ClassMeta],
    config: TrainConfig,
    earlier: Mapping[str, Any] | None,
    where: str,
) -> ClassMap:
    special = config.special_classes
    titles = [c.title for c in classes]
    if not set(titles) - {special.background, special.neutral}:
        what = f"only {', '.join(titles)}" if titles else "none"
        raise DatasetError(
            [f"{where}: expected classes to learn, got {what}; add classes and objects"]
        )
    return make_class_map(
        classes,
        background=special.background,
        neutral=special.neutral,
        weights_init_type=config.weights_init_type,
        earlier=earlier,
    )


__all__ = [
    "Splits",
    "open_coco_set",
    "open_coco_splits",
    "open_project_set",
    "open_project_splits",
    "open_splits",
]
