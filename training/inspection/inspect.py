"""Looks at the data of a training as the training will see it.

Writes `inspect.html`, `sheet.png` and `inspect.json`; earlier ones are replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formats.files.writing import writing
from training.config.train_config import TrainConfig, read_config
from training.datasets.classes import TRANSFER
from training.datasets.data_formats import labelled_data
from training.datasets.labelled_data import FilePath
from training.datasets.splits import open_splits
from training.errors import TrainingError

SAMPLES = 24
MAX_SAMPLES = 200
PAGE, SHEET, NUMBERS = "inspect.html", "sheet.png", "inspect.json"


@dataclass(frozen=True)
class Inspection:
    """What was found and written.

    Attributes:
        page: the HTML page.
        sheet: the PNG file of drawn training samples.
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
    samples: int = SAMPLES,
    **where: Any,
) -> Inspection:
    """Reads both sets and writes what a person should know of them.

    Args:
        config: the train config, as file, content or object.
        output: folder of the three files; made if need be.
        samples: training samples to draw, 1 to 200; all where there are fewer.
        where: the labelled images are, as for `training.train`.

    Raises:
        TrainingError: config, data or files do not allow it.
    """
    if not 1 <= samples <= MAX_SAMPLES:
        raise TrainingError(f"samples: expected 1 to {MAX_SAMPLES}, got {samples}")
    config = config if isinstance(config, TrainConfig) else read_config(config)
    # The ids of an earlier training change nothing that is shown here.
    config = config.model_copy(update={"weights_init_type": TRANSFER})
    data = labelled_data(**where)
    splits = open_splits(data, config)
    # Brings TensorFlow, which takes seconds: after all that may be wrong is told.
    from training.inspection.files import write_inspection

    folder = Path(output)
    paths = folder / PAGE, folder / SHEET, folder / NUMBERS
    with writing(
        f"{folder}: results cannot be written there",
        TrainingError,
        "make room, or choose another output",
    ):
        warnings = write_inspection(*paths, data.name, splits, config, samples)
    return Inspection(*paths, warnings)
