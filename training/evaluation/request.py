"""What to evaluate on: the files that a user names."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

from formats.files.archive import MAX_ARCHIVE_BYTES
from training.config.train_config import read_config
from training.datasets.classes import ClassMap
from training.datasets.dataset import FileDataset
from training.datasets.splits import open_coco_set, open_project_set
from training.errors import TrainingError

FilePath = str | PathLike[str]


@dataclass(frozen=True)
class Data:
    """Where the set is: one of `project` and `coco`.

    Attributes:
        project: Supervisely project, a folder or a tar.
        tag: image tag of the set in the project; every picture without it.
        coco: COCO file.
        images: folder of its pictures.
        max_archive_bytes: what a compressed archive of a project may unpack to.
        is_lenient: go past what of a COCO file an evaluation can do without.
    """

    project: FilePath | None = None
    tag: str | None = None
    coco: FilePath | None = None
    images: FilePath | None = None
    max_archive_bytes: int = MAX_ARCHIVE_BYTES
    is_lenient: bool = False

    def __post_init__(self) -> None:
        """Refuses what does not name one set.

        Raises:
            TrainingError: names what is there and what is expected.
        """
        _expect_one("project and coco", self.project, self.coco)
        if (self.coco is None) != (self.images is None):
            raise TrainingError(
                "images: a COCO file needs the folder of its pictures, and only that "
                f"does; got coco {self.coco}, images {self.images}"
            )
        if self.is_lenient and self.coco is None:
            raise TrainingError("is_lenient: only COCO files can be read leniently")
        if self.coco is not None and self.tag is not None:
            raise TrainingError(
                f'tag: COCO files have no tags, got "{self.tag}"; leave it out'
            )

    def open(self, classes: ClassMap) -> FileDataset:
        """Opens the set with the class ids of a network; empty pictures belong to it.

        Raises:
            DatasetError: lists everything that is wrong with the data.
        """
        settings = {"use_empty_images": True, "check_images": "header"}
        config = read_config(settings)
        if self.project is not None:
            return open_project_set(
                self.project, self.tag, classes, config, self.max_archive_bytes
            )
        if self.coco is None or self.images is None:
            raise TrainingError("coco: expected a file and a folder of pictures")
        return open_coco_set(
            self.coco, self.images, classes, config, is_lenient=self.is_lenient
        )

    @property
    def name(self) -> str:
        """What messages call the set."""
        return str(self.project if self.project is not None else self.coco)

    def describe(self) -> dict[str, Any]:
        """Returns JSON values that tell which set it is."""
        if self.project is not None:
            return {"project": str(self.project), "tag": self.tag}
        return {"coco": str(self.coco), "images": str(self.images)}


def _expect_one(names: str, *values: Any) -> None:
    given = [value for value in values if value is not None]
    if len(given) != 1:
        raise TrainingError(
            f"expected one of {names}, got "
            f"{' and '.join(map(str, given)) if given else 'none'}"
        )


__all__ = ["Data", "FilePath"]
