"""Which class has which id, from the classes of a dataset, and what does not fit.

The background has id 0, the rest have ids from 1, sorted by code point (capitals before
lower case). A training that continues an earlier one keeps the ids of that one.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from formats.quoted import quoted
from formats.supervisely.meta import BITMAP, ClassMeta
from training.errors import TrainingError

BACKGROUND_COLOR = "#222222"
TRANSFER = "transfer_learning"
CONTINUE = "continue_training"


@dataclass(frozen=True)
class ClassMap:
    """Classes of a network and their ids.

    Attributes:
        classes: as `config.json` lists them: shape bitmap, in the order of the dataset,
            the background at its place or last.
        ids: title -> id; 0 is the background.
        neutral: title of what no loss looks at; it has no id.
    """

    classes: tuple[ClassMeta, ...]
    ids: Mapping[str, int]
    neutral: str | None = None

    @property
    def num_classes(self) -> int:
        """Classes of the network, background included: the largest id + 1."""
        return max(self.ids.values(), default=0) + 1

    @property
    def titles(self) -> tuple[str, ...]:
        """Titles in the order of their ids."""
        return tuple(sorted(self.ids, key=lambda title: self.ids[title]))

    @property
    def background(self) -> str | None:
        """Title of id 0, if a class has it."""
        return next((title for title, i in self.ids.items() if i == 0), None)

    @property
    def foreground(self) -> tuple[str, ...]:
        """Titles of ids above 0, in their order: what can be an instance."""
        return tuple(title for title in self.titles if self.ids[title])

    def to_json(self) -> dict[str, Any]:
        """Returns the entries of `config.json` that describe the classes."""
        return {
            "classes": [
                {"title": c.title, "shape": c.shape, "color": c.color}
                for c in self.classes
            ],
            "class_title_to_idx": dict(self.ids),
        }


def make_class_map(
    classes: Sequence[ClassMeta],
    *,
    background: str | None = "bg",
    neutral: str | None = None,
    weights_init_type: str = TRANSFER,
    earlier: Mapping[str, Any] | None = None,
) -> ClassMap:
    """Gives every class its id.

    Args:
        classes: of the dataset, of any shape.
        background: title of the background, whether the dataset has it or not.
        neutral: title of what no loss looks at.
        weights_init_type: "transfer_learning" or "continue_training".
        earlier: content of the earlier training's `config.json`, None where there is
            none. Read by "continue_training" only.

    Raises:
        TrainingError: background and neutral are the same, the type is unknown, or the
            earlier training is missing or had other classes.
    """
    if weights_init_type not in (TRANSFER, CONTINUE):
        raise TrainingError(
            f'weights_init_type: expected "{TRANSFER}" or "{CONTINUE}", got '
            f"{quoted(weights_init_type)}"
        )
    if background is not None and background == neutral:
        raise TrainingError(
            "special_classes: background and neutral are both "
            f"{quoted(background)}; give one of them another name"
        )
    kept = [ClassMeta(c.title, BITMAP, c.color) for c in classes if c.title != neutral]
    titles = {c.title for c in kept}
    if background is not None and background not in titles:
        kept.append(ClassMeta(background, BITMAP, BACKGROUND_COLOR))
    ids = {} if background is None else {background: 0}
    ids |= {title: i for i, title in enumerate(sorted(titles - {background}), start=1)}
    if weights_init_type == CONTINUE:
        ids = _earlier_ids(ids, earlier)
    return ClassMap(tuple(kept), ids, neutral)


def _earlier_ids(
    ids: dict[str, int], earlier: Mapping[str, Any] | None
) -> dict[str, int]:
    """Returns the ids of the earlier training, which must name the same classes.

    Raises:
        TrainingError: it does not, or is not there.
    """
    if earlier is None:
        raise TrainingError(
            f"{CONTINUE}: found no config.json of the earlier training; put it beside "
            f'the weights, or use "{TRANSFER}"'
        )
    before = earlier.get("class_title_to_idx")
    if not isinstance(before, Mapping) or not _are_ids(before.values()):
        raise TrainingError(
            f"{CONTINUE}: config.json of the earlier training does not map its classes "
            "to different ids (class_title_to_idx); use the file that was saved with "
            "the weights"
        )
    old, new = sorted(before, key=lambda title: before[title]), list(ids)
    if old != new:
        raise TrainingError(
            f"{CONTINUE}: the classes differ from those of the earlier training\n"
            f"  earlier: {', '.join(old)}\n"
            f"  dataset: {', '.join(new)}\n"
            f'{_difference(old, new)}; mend the classes, or use "{TRANSFER}"'
        )
    for title, class_id in ids.items():
        if class_id == 0 and before[title] != 0:
            raise TrainingError(
                f"{CONTINUE}: the background {quoted(title)} had id {before[title]} in "
                "the earlier training, expected 0; check special_classes.background"
            )
    return dict(before)


def _are_ids(values: Any) -> bool:
    ids = list(values)
    whole = all(isinstance(i, int) and not isinstance(i, bool) for i in ids)
    return whole and len(set(ids)) == len(ids) and min(ids, default=0) >= 0


def _difference(old: Sequence[str], new: Sequence[str]) -> str:
    lost = [title for title in old if title not in new]
    added = [title for title in new if title not in old]
    if not lost and not added:
        return "the order differs"
    texts = [f"missing: {', '.join(lost)}"] if lost else []
    return "; ".join([*texts, *([f"new: {', '.join(added)}"] if added else [])])


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


def background_note(found: Sequence[ClassMeta], classes: ClassMap) -> list[str]:
    """Returns a warning where a class of the data is taken as background.

    Args:
        found: classes of the data.
        classes: of the network.
    """
    title = classes.background
    if title is None or title not in {c.title for c in found}:
        return []
    return [
        f'class "{title}" of the data is taken as background and not learnt; name '
        "another in special_classes.background to learn it"
    ]


def missing_neutral(
    neutral: str | None, classes: Sequence[ClassMeta], where: str
) -> list[str]:
    """Returns what to tell where a set lacks the neutral class that is named for it.

    Args:
        neutral: its title, None for none.
        classes: of the set, the neutral one among them.
        where: what the text calls the set.

    Returns:
        One text, or none.
    """
    titles = [c.title for c in classes]
    if neutral is None or neutral in titles:
        return []
    near = difflib.get_close_matches(neutral, titles, 1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return [
        f"{where}: has no class {quoted(neutral)}, which is named as the neutral one, "
        f"so no pixel is neutral{hint}"
    ]
