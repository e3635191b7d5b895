"""What a weight file holds, as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from export.settings import Settings
from models.checkpoint import Checkpoint

LISTED = 40
"""Arrays of one kind that are listed before the rest is only counted."""


def describe(checkpoint: Checkpoint, settings: Settings | None) -> str:
    """Describes a checkpoint: architecture, classes, arrays missing or unexpected.

    Args:
        checkpoint: what was found.
        settings: resolved against it, unless that failed.
    """
    architecture = checkpoint.architecture
    lines = [
        f"file: {checkpoint.path}",
        f"backbone: {architecture.backbone}",
        *(
            f"{field.name}: {getattr(architecture, field.name)}"
            for field in dataclasses.fields(architecture)
        ),
        f"arrays of the network: {len(checkpoint.arrays)}",
        f"parameters: {checkpoint.parameters:,}",
    ]
    if settings is not None:
        source = (
            "assumed; no config names them"
            if settings.classes_assumed
            else f"from {settings.classes_from}"
        )
        titles = ", ".join(f"{c.id} {c.title}" for c in settings.classes)
        lines.append(f"classes ({source}): {titles}")
    lines += _listing("missing arrays", checkpoint.missing)
    lines += _listing("unexpected arrays", checkpoint.unexpected)
    lines += _listing("contradictions", checkpoint.misshapen)
    lines += _listing("ignored arrays", checkpoint.ignored)
    whole = "no" if checkpoint.problems else "yes"
    return "\n".join([*lines, f"whole network: {whole}"])


def _listing(title: str, items: Sequence[str]) -> list[str]:
    lines = [f"{title}: {len(items) or 'none'}"]
    lines += [f"  {item}" for item in items[:LISTED]]
    if len(items) > LISTED:
        lines.append(f"  and {len(items) - LISTED} more")
    return lines
