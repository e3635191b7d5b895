"""Reads the items of sets and says what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from training.config.train_config import TrainConfig
from training.datasets.check import check_images, read_facts
from training.datasets.classes import ClassMap
from training.datasets.dataset import FileDataset
from training.datasets.set_notes import SetNotes
from training.datasets.set_tags import missing_tag, split_by_tags
from training.datasets.sources import Source

NAMED = 5
"""Items that a warning names."""


class ReadSets(NamedTuple):
    """Sets whose annotations and images were read.

    Attributes:
        items: the items of every set.
        datasets: of every set, the items that have something to learn.
        problems: which file, what, how to mend it; with one, no set is to be used.
        notes: what is left out and what is odd.
    """

    items: Mapping[str, tuple[int, ...]]
    datasets: dict[str, FileDataset]
    problems: list[str]
    notes: list[str]


def read_sets(
    source: Source,
    classes: ClassMap,
    config: TrainConfig,
    tags: Mapping[str, str | None],
) -> ReadSets:
    """Reads all annotations and the images that are used.

    Args:
        source: all items.
        classes: titles and ids.
        config: how thoroughly to check, and whether to keep images without objects.
        tags: set -> the tag of its items, None takes all; a set whose tag is not there
            may be empty.
    """
    facts, broken = read_facts(source, classes)
    problems = [*broken]
    sets = split_by_tags(tags, {i: fact.tags for i, fact in facts.items()})
    datasets = {}
    notes = SetNotes()
    used_items = dict.fromkeys(i for items in sets.values() for i in items)
    notes.add_items(source, facts, used_items)
    sizes: dict[int, tuple[int, int] | None] = {
        i: None for i in range(len(source)) if i not in facts
    }
    for purpose, items in sets.items():
        full = [i for i in items if facts[i].has_instances]
        used = items if config.use_empty_images else full
        datasets[purpose] = FileDataset(source, tuple(used), facts, classes)
        if full:
            leaving = sorted({*items} - {*used})
            notes.add_leaving(source, facts, leaving, purpose)
        sizes |= {i: facts[i].size for i in used}
        tag = tags[purpose]
        if not (full or broken or missing_tag(tag, source.tags)):
            which = f"of {source.where}" if tag is None else f'with the tag "{tag}"'
            problem = _without_objects(purpose, which, len(items))
            problems.append("; ".join([problem, *notes.lines()]))
    problems += check_images(source, sizes, decode=config.check_images == "decode")
    return ReadSets(sets, datasets, problems, notes.lines())


def _without_objects(purpose: str, text: str, count: int) -> str:
    if not count:
        return f"{purpose} set: there is no picture {text}; add some"
    return (
        f"{purpose} set: none of the {count} pictures {text} has an object to learn; "
        "add objects"
    )


def too_large_batch(dataset: FileDataset, config: TrainConfig) -> list[str]:
    """Returns a problem where a batch is larger than the training set."""
    size = config.batch_size.train
    if size <= len(dataset):
        return []
    return [
        f"batch_size.train: a batch has {size} pictures, the training set "
        f"{len(dataset)}; use {len(dataset)} at most"
    ]


def shared_items(
    train: tuple[Source, Iterable[int]], val: tuple[Source, Iterable[int]], how: str
) -> list[str]:
    """Returns a warning where images are in both sets.

    Args:
        train: items of the training set.
        val: items of the validation set.
        how: they come to be in both.
    """
    (source, items), (other, others) = train, val
    learnt = {source.locate(i) for i in items}
    both = [other.name(i) for i in others if other.locate(i) in learnt]
    if not both:
        return []
    more = f" and {len(both) - NAMED} more" if len(both) > NAMED else ""
    return [
        f"{len(both)} pictures are in both sets ({how}), so validation looks better "
        f"than it is: {', '.join(both[:NAMED])}{more}"
    ]
