"""A Supervisely project as work: a new one with the same pictures comes out.

`OUTPUT/meta.json`, and in each dataset `img/<picture>`, a hard link where possible, and
`ann/<picture>.json`, which has the annotation's objects and what was found.
"""

from __future__ import annotations

from pathlib import Path

from client.client import Client
from client.errors import AnnotationError
from client.paths import resolve
from client.result import Result
from client.run_folder import OutputError, RunFolder
from client.work import json_bytes
from formats.errors import FormatError
from formats.json_file import parse_json
from formats.project import Item, open_project
from formats.project_files import FolderFiles


class ProjectWork:
    """Items of a project; see `Work`."""

    def __init__(self, path: Path, output: Path) -> None:
        """Opens a project; no annotation is read.

        Args:
            path: its folder or tar.
            output: the folder of the results.

        Raises:
            OutputError: there is no such project, nothing is in it, or the results
                would lie in it or around it.
        """
        try:
            self._project = open_project(path)
        except FormatError as err:
            raise OutputError(str(err)) from err
        self.meta = self._project.meta
        self.inputs = [str(resolve(path))]
        self._items = self._project.items
        if not self._items:
            raise OutputError(f"{path}: expected a project with pictures, got none")
        source, target = resolve(path), resolve(output)
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
        if item.annotation is None:
            raise AnnotationError(f"{self.place(index)}: {item.problem}")
        where = self._project.locate(item.annotation)
        content = parse_json(self._project.read(item.annotation), where)
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
        """Returns the file of a picture, None where it lies in a tar."""
        files = self._project.files
        if isinstance(files, FolderFiles):
            return f"{files.root}/{self._project.root}{item.image}"
        return None


__all__ = ["ProjectWork"]
