"""What a prediction returns.

Frame of every box and mask: the image as people see it (EXIF applied), (0, 0) its
top-left corner, pixel i spanning [i, i + 1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from client.annotations import Dropped
from client.errors import ImageError
from client.image import ImageSource, load_image
from client.instance import Entry, Instance, Region
from formats.images.image import Pixels
from formats.supervisely.annotation import annotation_json
from formats.supervisely.meta import ProjectMeta

if TYPE_CHECKING:
    from client.drawing import ColorBy

MOST_PX = 32_767
"""Longest side of an enlarged drawing."""
Floats = np.ndarray[Any, np.dtype[np.float32]]
Names = np.ndarray[Any, np.dtype[np.str_]]
EMPTY_MASK = "with an empty mask"
"""Why what was found may not be in an annotation."""


@dataclass(frozen=True, eq=False)
class Result:
    """What the model found in one image.

    Attributes:
        entries: all objects of the annotation, those that were there too, in its order.
        image_size: (height, width) of the image as people see it, pixels.
        model_version: the version that answered, None if the server did not tell.
        warnings: what did not go as the config says, and is no error.
        dropped: objects that the annotation does not have, by reason; the warnings
            tell of them too.
        confidence_tag: tag of the scores in annotations, None for none.
        colors: class id to "#RRGGBB".
        source: the image, as it was given.
        meta: classes and tags of the annotation, those that were there too.
        given: the annotation that was there, without its objects.
        tags: tags of the image to add to it.
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

    def __len__(self) -> int:
        """Returns how many instances were found."""
        return len(self.instances)

    def __bool__(self) -> bool:
        """Returns True: a result without instances is one too."""
        return True

    def __iter__(self) -> Iterator[Instance]:
        """Returns the instances, one after the other."""
        return iter(self.instances)

    @property
    def boxes(self) -> Floats:
        """float32[N, 4] (y1, x1, y2, x2) of the instances, pixels, half-open."""
        boxes = [instance.box for instance in self.instances]
        return np.array(boxes, np.float32).reshape(-1, 4)

    @property
    def scores(self) -> Floats:
        """float32[N] of the instances, 0..1; NaN from a model that gives none."""
        return np.array([instance.score for instance in self.instances], np.float32)

    @property
    def class_names(self) -> Names:
        """str[N] of the instances, suffix included."""
        return np.array([instance.class_name for instance in self.instances], np.str_)

    def to_annotation(self) -> dict[str, Any]:
        """Returns the Supervisely annotation of the image.

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

    def draw(
        self,
        image: ImageSource | None = None,
        *,
        labels: bool = True,
        scale: int | None = 1,
        color_by: ColorBy = "class",
    ) -> Pixels:
        """Draws masks, outlines, saved regions and labels over the image.

        Args:
            image: the image; the one that was sent, if not given.
            labels: write classes and scores too, where they hide neither an object nor
                each other.
            scale: draw everything so many times as large, with smooth masks; None for
                the whole factor that makes a small image readable: its longest side
                grows to at most 1024 pixels.
            color_by: what has a colour of its own, every "class" or every "instance".

        Returns:
            uint8[H * scale, W * scale, 3] RGB, a new array.

        Raises:
            ImageError: the image is not readable any more, or of another size.
            ValueError: a scale or `color_by` that is none.
        """
        from client.drawing import draw_instances  # brings OpenCV

        if color_by not in ("class", "instance"):
            raise ValueError(
                f'color_by: expected "class" or "instance", got {color_by!r}'
            )
        if scale is not None and (not isinstance(scale, int) or scale < 1):
            raise ValueError(f"scale: expected a whole number above 0, got {scale!r}")
        source = self.source if image is None else image
        if source is None:
            raise ImageError("draw: expected a picture, got none; pass it as argument")
        loaded = load_image(source)
        if loaded.size != self.image_size:
            raise ImageError(
                f"draw: expected the picture of the result, {list(self.image_size)} "
                f"(height, width), got {list(loaded.size)}"
            )
        if scale not in (None, 1) and scale * max(loaded.size) > MOST_PX:
            raise ValueError(
                f"scale: expected at most {MOST_PX // max(loaded.size)} for a picture "
                f"of {list(loaded.size)} (height, width), got {scale}"
            )
        return draw_instances(
            loaded.rgb(),
            self.instances,
            self.colors,
            regions=[e for e in self.entries if isinstance(e, Region)],
            region_colors={c.title: c.color for c in self.meta.classes},
            labels=labels,
            scale=scale,
            color_by=color_by,
        )

    def save(
        self,
        path: str | PathLike[str],
        *,
        labels: bool = True,
        scale: int | None = None,
        color_by: ColorBy = "class",
    ) -> None:
        """Writes the image with what was found, or the annotation, by the name.

        Args:
            path: ends in .png, .jpg, .jpeg or .webp for what `draw` returns, in .json
                for what `to_annotation` returns. Replaced if it exists.
            labels: see `draw`.
            scale: see `draw`; small images are enlarged if not given.
            color_by: see `draw`.

        Raises:
            ClientError: what `draw` and `to_annotation` raise.
            OSError: the file cannot be written.
            ValueError: the name ends in something else.
        """
        from client.drawing import EXTENSIONS, encode_drawing
        from formats.files.atomic_file import replaced_file

        extension = PurePath(path).suffix.lower()
        if extension == ".json":
            data = json.dumps(self.to_annotation(), indent=1).encode()
        elif extension in EXTENSIONS:
            drawn = self.draw(labels=labels, scale=scale, color_by=color_by)
            data = encode_drawing(drawn, extension)
        else:
            raise ValueError(
                f"{path}: expected a name that ends in .json, "
                f"{', '.join(EXTENSIONS)}, got {extension or 'no extension'!r}"
            )
        with replaced_file(path) as file:
            file.write(data)
