"""A Supervisely project as work: a new one with the same images comes out.

`OUTPUT/meta.json`, and in each dataset `img/<image>`, a hard link where possible, and
`ann/<image>.json`, which has the annotation's objects and what was found.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from client.client import Client
from client.errors import AnnotationError, OutputError
from client.result import Result
from client.runs.paths import resolve_path
from client.runs.run_folder import RunFolder
from client.runs.work import json_bytes
from formats.errors import FormatError
from formats.files.archive import MAX_ARCHIVE_BYTES
from formats.supervisely.project import open_project
from formats.supervisely.project_files import FolderFiles
from formats.supervisely.project_items import Item


class ProjectWork:
    """Items of a project; see `Work`."""

    def __init__(
        self,
        path: Path,
        output: Path,
        max_archive_bytes: int = MAX_ARCHIVE_BYTES,
        own_names: Collection[str] = (),
    ) -> None:
        """Opens a project; no annotation is read.

        Args:
            path: its folder or archive.
            output: the folder of the results.
            max_archive_bytes: what a compressed archive may unpack to.
            own_names: what the run writes beside the datasets.

        Raises:
            OutputError: there is no such project, nothing is in it, a dataset has the
                name of something else that the run writes, or the results would lie in
                the project or around it.
        """
        try:
            self._project = open_project(path, max_archive_bytes)
        except FormatError as err:
            raise OutputError(str(err)) from err
        self.meta = self._project.meta
        self.inputs = [str(resolve_path(path))]
        self.left_out = self._project.left_out
        self._items = self._project.items
        for folder in sorted(self._items.folders):
            if folder.partition("/")[0] in own_names:
                raise OutputError(
                    f"{path}: dataset {folder}: expected another name, got that of a "
                    "folder of the results; rename the dataset"
                )
        source, target = resolve_path(path), resolve_path(output)
        if source == target or source in target.parents or target in source.parents:
            raise OutputError(
                f"{output}: expected a folder apart from the project {path}; choose "
                "another --output"
            )

    def __len__(self) -> int:
        return len(self._items)

    def place(self, index: int) -> str:
        """See `Work`."""
        return self._project.locate(self._items[index].image)

    def label(self, index: int) -> str:
        """See `Work`."""
        item = self._items[index]
        return f"{item.dataset}/{item.image.rpartition('/')[2]}"

    def targets(self, index: int) -> list[str]:
        """See `Work`."""
        image = self._items[index].image
        folder, _, name = image.rpartition("/img/")
        return [image, f"{folder}/ann/{name}.json"]

    def predict(self, client: Client, index: int) -> Result:
        """See `Work`."""
        item = self._items[index]
        content = self._project.content(item)
        where = self._project.locate(item.annotation or item.image)
        try:
            return client.predict(
                self._file(item) or self._project.read(item.image),
                annotation=content,
                meta=self.meta,
            )
        except AnnotationError as err:
            told = (problem.removeprefix("annotation: ") for problem in err.problems)
            raise AnnotationError(*(f"{where}: {problem}" for problem in told)) from err

    def write(self, folder: RunFolder, index: int, result: Result) -> None:
        """See `Work`."""
        image, annotation = self.targets(index)
        if not folder.has(image):
            item = self._items[index]
            file = self._file(item)
            if file is None:
                folder.write(image, self._project.read(item.image))
            else:
                folder.link(file, image)
        folder.write(annotation, json_bytes(result.to_annotation()))

    def _file(self, item: Item) -> str | None:
        """Returns the file of an image, None where it lies in a tar."""
        files = self._project.files
        if isinstance(files, FolderFiles):
            return f"{files.root}/{self._project.root}{item.image}"
        return None
