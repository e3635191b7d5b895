"""Looks at the data of a training as the training will see it.

Writes `inspect.html`, `sheet.png` and `inspect.json`; earlier ones are replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from formats.files.archive import MAX_ARCHIVE_BYTES
from formats.files.writing import writing
from training.config.train_config import TrainConfig, read_config
from training.datasets.classes import TRANSFER
from training.datasets.splits import open_splits
from training.errors import TrainingError

FilePath = str | PathLike[str]

SAMPLES = 24
MAX_SAMPLES = 200
PAGE, SHEET, NUMBERS = "inspect.html", "sheet.png", "inspect.json"


@dataclass(frozen=True)
class Inspection:
    """What was found and written.

    Attributes:
        page: the HTML page.
        sheet: the picture of training samples.
        numbers: the JSON file.
        warnings: what is odd, but does not stop a training.
    """

    page: Path
    sheet: Path
    numbers: Path
    warnings: tuple[str, ...]


def inspect_data(
    config: FilePath | Mapping[str, Any] | TrainConfig,
    *,
    output: FilePath,
    project: FilePath | None = None,
    coco: tuple[FilePath, FilePath] | None = None,
    images: FilePath | None = None,
    samples: int = SAMPLES,
    max_archive_bytes: int = MAX_ARCHIVE_BYTES,
    is_lenient: bool = False,
) -> Inspection:
    """Reads both sets and writes what a person should know of them.

    Args:
        config: the train config, as file, content or object.
        output: folder of the three files; made if need be.
        project: Supervisely project, a folder or an archive; or else
        coco: COCO files of the training and the validation set, with
        images: the folder of their pictures.
        samples: training samples to draw, 1 to 200; all where there are fewer.
        max_archive_bytes: what a compressed archive may unpack to.
        is_lenient: go past what of COCO files a training can do without, and count it.

    Raises:
        TrainingError: config, data or files do not allow it.
    """
    if not 1 <= samples <= MAX_SAMPLES:
        raise TrainingError(f"samples: expected 1 to {MAX_SAMPLES}, got {samples}")
    config = config if isinstance(config, TrainConfig) else read_config(config)
    # The ids of an earlier training change nothing that is shown here.
    config = config.model_copy(update={"weights_init_type": TRANSFER})
    splits = open_splits(
        config,
        project=project,
        coco=coco,
        images=images,
        max_archive_bytes=max_archive_bytes,
        is_lenient=is_lenient,
    )
    # Brings TensorFlow, which takes seconds: after all that may be wrong is told.
    from training.inspection.files import write_files

    folder = Path(output)
    name = str(project) if coco is None else f"{coco[0]}, {coco[1]}"
    paths = folder / PAGE, folder / SHEET, folder / NUMBERS
    with writing(
        f"{folder}: results cannot be written there",
        TrainingError,
        "make room, or choose another output",
    ):
        warnings = write_files(*paths, name, splits, config, samples)
    return Inspection(*paths, warnings)


__all__ = ["MAX_SAMPLES", "SAMPLES", "Inspection", "inspect_data"]
