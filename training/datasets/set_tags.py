"""Sets by image tags: which items are in which, and what is wrong with the tags."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from formats.quoted import quoted


def split_by_tags(
    tags: Mapping[str, str | None], tags_of_items: Mapping[int, Sequence[str]]
) -> dict[str, tuple[int, ...]]:
    """Sorts items into sets; the values of tags play no part.

    Args:
        tags: set -> name of its tag; None takes every item.
        tags_of_items: index of an item -> names of its image's tags.

    Returns:
        Set -> items, in their order. An item may be in several, or in none.
    """
    return {
        purpose: tuple(
            i for i, names in tags_of_items.items() if name is None or name in names
        )
        for purpose, name in tags.items()
    }


def missing_tags(tags: Mapping[str, str], known: Sequence[str]) -> list[str]:
    """Returns a problem for every tag of the config that a project does not have.

    Args:
        tags: set -> name of its tag.
        known: tags of the project.
    """
    return [
        f"dataset_tags.{purpose}: {problem}; tag the pictures of the {purpose} set "
        "with it"
        for purpose, name in tags.items()
        if (problem := missing_tag(name, known))
    ]


def missing_tag(name: str | None, known: Sequence[str]) -> str:
    """Returns what is wrong where a project does not have a tag, else nothing."""
    if name is None or name in known:
        return ""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    listed = f"; it has: {', '.join(known)}" if known and not near else ""
    return f"the project has no tag {quoted(name)}{hint}{listed}"
