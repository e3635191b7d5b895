"""What a prediction returns.

Frame of every box and mask: the picture as people see it (EXIF applied), (0, 0) its
top-left corner, pixel i spanning [i, i + 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from client.annotations import Dropped
from client.errors import ImageError
from client.image import ImageSource, Pixels, load_picture
from client.instance import Entry, Instance, Region
from formats.annotation import annotation_json
from formats.meta import ProjectMeta

EMPTY_MASK = "with an empty mask"
"""Why what was found may not be in an annotation."""


@dataclass(frozen=True, eq=False)
class Result:
    """What the model found in one picture.

    Attributes:
        entries: all objects of the annotation, those that were there too, in its order.
        image_size: (height, width) of the picture as people see it, pixels.
        model_version: the version that answered, None if the server did not tell.
        warnings: what did not go as the config says, and is no error.
        dropped: objects that the annotation does not have, by reason; the warnings
            tell of them too.
        confidence_tag: tag of the scores in annotations, None for none.
        colors: class id to "#RRGGBB".
        source: the picture, as it was given.
        meta: classes and tags of the annotation, those that were there too.
        given: the annotation that was there, without its objects.
        tags: tags of the picture to add to it.
    """

    entries: tuple[Entry, ...]
    image_size: tuple[int, int]
    model_version: int | None = None
    warnings: list[str] = field(default_factory=list)
    dropped: dict[str, Dropped] = field(default_factory=dict, repr=False)
    confidence_tag: str | None = "confidence"
    colors: Mapping[int, str] = field(default_factory=dict, repr=False)
    source: ImageSource | None = field(default=None, repr=False)
    meta: ProjectMeta = field(default_factory=ProjectMeta, repr=False)
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)
    tags: tuple[Mapping[str, Any], ...] = ()

    @property
    def instances(self) -> tuple[Instance, ...]:
        """What was found, in the order of the annotation."""
        return tuple(e for e in self.entries if isinstance(e, Instance))

    def to_annotation(self) -> dict[str, Any]:
        """Returns the Supervisely annotation of the picture.

        What it had before is kept. An instance whose mask has no pixel is left out, as
        the format has no empty bitmap, and told in `warnings`.

        Raises:
            ContractError: the server sent a damaged mask.
        """
        objects = []
        empty: list[str] = []
        for entry in self.entries:
            made: Mapping[str, Any] | None
            if isinstance(entry, Instance):
                made = entry.to_object(self.confidence_tag)
                if made is None:
                    empty.append(
                        f"{entry.class_name} with score {entry.score:.4f} is not in "
                        "the annotation: its mask is empty"
                    )
                    self._warn(empty[-1])
            else:
                made = entry.to_object() if isinstance(entry, Region) else entry
            if made is not None:
                objects.append(dict(made))
        if empty:
            self.dropped[EMPTY_MASK] = Dropped(len(empty), tuple(empty))
        annotation = {**annotation_json(self.image_size, objects), **self.given}
        annotation["objects"] = objects
        annotation["tags"] = [*annotation["tags"], *map(dict, self.tags)]
        return annotation

    def to_meta(self) -> dict[str, Any]:
        """Returns the content of `meta.json` that goes with the annotation."""
        return self.meta.to_json()

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def draw(self, image: ImageSource | None = None, *, labels: bool = True) -> Pixels:
        """Draws masks, outlines and labels over the picture.

        Args:
            image: the picture; the one that was sent, if not given.
            labels: write classes and scores too.

        Returns:
            uint8[H, W, 3] RGB, a new array.

        Raises:
            ImageError: the picture is not readable any more, or of another size.
        """
        from client.drawing import draw_instances  # brings OpenCV

        source = self.source if image is None else image
        if source is None:
            raise ImageError("draw: expected a picture, got none; pass it as argument")
        picture = load_picture(source)
        if picture.size != self.image_size:
            raise ImageError(
                f"draw: expected the picture of the result, {list(self.image_size)} "
                f"(height, width), got {list(picture.size)}"
            )
        return draw_instances(picture.rgb(), self.instances, self.colors, labels=labels)


__all__ = ["Instance", "Result"]
