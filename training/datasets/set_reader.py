"""Reads the items of sets and says what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from formats.quoted import quoted
from formats.supervisely.meta import ClassMeta
from training.config.train_config import TrainConfig
from training.datasets.check import Facts, check_images, read_facts
from training.datasets.classes import ClassMap
from training.datasets.dataset import FileDataset
from training.datasets.set_notes import SetNotes
from training.datasets.sources import Source

NAMED = 5
"""Items that a warning names."""

Sets = Mapping[str, tuple[int, ...]]


class ReadSets(NamedTuple):
    """Sets whose annotations and pictures were read.

    Attributes:
        items: the items of every set.
        datasets: of every set, the items that have something to learn.
        problems: which file, what, how to mend it; with one, no set is to be used.
        notes: what is left out and what is odd.
    """

    items: Sets
    datasets: dict[str, FileDataset]
    problems: list[str]
    notes: list[str]


def read_sets(
    source: Source,
    classes: ClassMap,
    config: TrainConfig,
    split: Callable[[Mapping[int, Facts]], Sets],
    texts: Mapping[str, str],
) -> ReadSets:
    """Reads all annotations and the pictures that are used.

    Args:
        source: all items.
        classes: titles and ids.
        config: how thoroughly to check, and whether to keep pictures without objects.
        split: gives the items of every set.
        texts: set -> what its pictures are; a set that is not in it may be empty.
    """
    facts, broken = read_facts(source, classes)
    problems = [*broken]
    sets = split(facts)
    datasets = {}
    notes = SetNotes()
    used_items = dict.fromkeys(i for items in sets.values() for i in items)
    notes.add_items(source, facts, (i for i in used_items if i in facts))
    sizes: dict[int, tuple[int, int] | None] = {
        i: None for i in range(len(source)) if i not in facts
    }
    for purpose, items in sets.items():
        present = [i for i in items if i in facts]
        full = [i for i in present if facts[i].has_instances]
        used = present if config.use_empty_images else full
        datasets[purpose] = FileDataset(source, tuple(used), facts, classes)
        if full:
            leaving = sorted({*present} - {*used})
            notes.add_leaving(source, facts, leaving, purpose)
        sizes |= {i: facts[i].size for i in used}
        if purpose in texts and not full and not broken:
            problem = _without_objects(purpose, texts[purpose], len(present))
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


def unknown_classes(
    found: Sequence[ClassMeta], classes: ClassMap, where: str
) -> list[str]:
    """Returns a problem where there are classes that a network does not have.

    Args:
        found: classes of the data.
        classes: of the network.
        where: what messages call the data.
    """
    known = {*classes.ids, classes.neutral}
    unknown = [quoted(c.title) for c in found if c.title not in known]
    if not unknown:
        return []
    noun = "class" if len(unknown) == 1 else "classes"
    return [
        f"{where}: unknown {noun} {', '.join(unknown)}; the network has: "
        f"{', '.join(classes.foreground)}"
    ]


def too_large_batch(dataset: FileDataset, config: TrainConfig) -> list[str]:
    """Returns a problem where a batch is larger than the training set."""
    size = config.batch_size.train
    if size <= len(dataset):
        return []
    return [
        f"batch_size.train: a batch has {size} pictures, the training set "
        f"{len(dataset)}; use {len(dataset)} at most"
    ]


def shared_items(source: Source, sets: Sets, tags: Mapping[str, str]) -> list[str]:
    """Returns a warning where items are in both sets of a project.

    Args:
        source: all items.
        sets: the items of "train" and "val".
        tags: the tags of these.
    """
    if tags["train"] == tags["val"]:
        return [
            f"dataset_tags: train and val are both {quoted(tags['train'])}; the "
            "network is validated on what it learns"
        ]
    val = set(sets["val"])
    both = [source.name(i) for i in sets["train"] if i in val]
    text = f"tagged both {quoted(tags['train'])} and {quoted(tags['val'])}"
    return [both_sets(both, text)] if both else []


def both_sets(names: Sequence[str], text: str) -> str:
    """Returns a warning about items that are in both sets."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (
        f"{len(names)} pictures are in both sets ({text}), so validation looks better "
        f"than it is: {', '.join(names[:NAMED])}{more}"
    )


__all__ = [
    "ReadSets",
    "Sets",
    "both_sets",
    "read_sets",
    "shared_items",
    "too_large_batch",
    "unknown_classes",
]
