"""COCO results of a run: one JSON list of all that was found.

Beside `FILE` lies `FILE`'s name with `.images.json`: what its image and category ids
stand for, as in a COCO file.

Frame: the images; `bbox` is [x, y, width, height], not rounded to whole pixels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from client.errors import OutputError
from client.result import Result
from client.runs.run import Summary
from client.runs.run_folder import RunFolder
from client.runs.work import Work, json_bytes, read_kept
from formats.coco.rle import encode_mask
from formats.files.atomic_file import replaced_file
from formats.files.writing import writing
from serving.contract import ModelClass

PIXEL_DIGITS = 3
"""Decimal places of boxes."""


class CocoResults:
    """Collects what was found in each image; see `Extra`."""

    def __init__(self, path: Path, work: Work, classes: Sequence[ModelClass]) -> None:
        """Prepares, writes nothing.

        Args:
            path: the file to make.
            work: the images.
            classes: of the model; their ids are the category ids.
        """
        self._path = path
        self._work = work
        self._classes = classes

    @property
    def images_path(self) -> Path:
        """The file with what ids stand for."""
        return self._path.with_name(f"{self._path.stem}.images.json")

    @property
    def is_made(self) -> bool:
        """See `Extra`."""
        return self._path.is_file() and self.images_path.is_file()

    def targets(self, index: int) -> list[str]:
        """See `Extra`."""
        return [f".maskrcnn-run/coco/{self._work.label(index)}.json"]

    def write(self, folder: RunFolder, index: int, result: Result) -> None:
        """See `Extra`."""
        (target,) = self.targets(index)
        found = []
        for instance in result.instances:
            y1, x1, y2, x2 = (float(side) for side in instance.box)
            box = (x1, y1, x2 - x1, y2 - y1)
            found.append(
                {
                    "category_id": instance.class_id,
                    "score": instance.score,
                    "bbox": [round(side, PIXEL_DIGITS) for side in box],
                    "segmentation": encode_mask(instance.crop, result.image_size),
                }
            )
        folder.write(target, json_bytes({"size": result.image_size, "found": found}))

    def finish(self, folder: RunFolder, summary: Summary) -> None:
        """See `Extra`; images that failed have no results."""
        del summary
        with (
            writing(self._path, OutputError),
            replaced_file(self._path) as results,
            replaced_file(self.images_path) as images,
        ):
            results.write(b"[")
            images.write(b'{"images": [')
            before = b"\n"
            between = b"\n"
            ids = self._image_ids()
            for index, image_id in enumerate(ids):
                content = self._read(folder, index)
                if content is None:
                    continue
                entry = self._image(index, image_id, content["size"])
                images.write(between + json.dumps(entry).encode())
                between = b",\n"
                for found in content["found"]:
                    entry = {"image_id": image_id, **found}
                    results.write(before + json.dumps(entry).encode())
                    before = b",\n"
            results.write(b"\n]\n")
            categories = json.dumps(self._categories()).encode()
            images.write(b'\n],\n"annotations": [],\n"categories": ')
            images.write(categories + b"}\n")

    def _read(self, folder: RunFolder, index: int) -> Any:
        (target,) = self.targets(index)
        if not folder.has(target):
            return None
        return read_kept(folder, target)

    def _image_ids(self) -> Sequence[int]:
        """Returns numbers in the images' names, if they all have one, or 1, 2, ..."""
        ids = []
        for index in range(len(self._work)):
            stem = Path(self._work.label(index)).stem
            if not (stem.isascii() and stem.isdecimal()):
                break
            ids.append(int(stem))
        if len(set(ids)) == len(self._work):
            return ids
        return range(1, len(self._work) + 1)

    def _image(self, index: int, image_id: int, size: Sequence[int]) -> dict[str, Any]:
        height, width = size
        name = self._work.label(index)
        return {"id": image_id, "file_name": name, "height": height, "width": width}

    def _categories(self) -> list[dict[str, Any]]:
        return [{"id": c.id, "name": c.title} for c in self._classes if c.id]
