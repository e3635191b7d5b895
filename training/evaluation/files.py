"""The files of an evaluation: figures, detections, curves, page.

`evaluation.json` comes last: where it is, the others are complete.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from formats.files.atomic_file import make_folder, replaced_file
from formats.files.writing import writing
from formats.images.image import decode_image
from training.datasets.coco import CocoSource
from training.datasets.dataset import FileDataset
from training.errors import TrainingError
from training.evaluation.coco_score import CocoScorer, Score
from training.evaluation.page import write_evaluation_page
from training.evaluation.precision_recall import draw_precision_recall

FIGURES_NAME = "evaluation.json"
RESULTS_NAME = "results.json"
CURVES_NAME = "precision_recall.png"
PAGE_NAME = "gallery.html"
BOX_DIGITS = 3
"""Decimal places of pixels in results."""


def prepare(folder: Path, *, overwrite: bool) -> None:
    """Makes sure that results can be written, before anything is computed.

    Args:
        folder: of the results; made where it is missing.
        overwrite: an earlier evaluation there may be replaced.

    Raises:
        TrainingError: they cannot be written, or would replace others.
    """
    with writing(
        f"{folder}: results cannot be written there",
        TrainingError,
        "choose another output",
    ):
        make_folder(folder)
        if not overwrite and (folder / FIGURES_NAME).exists():
            raise TrainingError(
                f"{folder}: holds an evaluation already; choose another --output, or "
                "replace it with --overwrite"
            )


def write_evaluation(
    folder: Path,
    origin: Mapping[str, Any],
    dataset: FileDataset,
    scorer: CocoScorer,
    score: Score,
) -> None:
    """Writes all files of an evaluation.

    Args:
        folder: where to.
        origin: JSON values, "network" and "data": what was evaluated, and on what.
        dataset: the set.
        scorer: its objects and detections.
        score: what became of them.

    Raises:
        DatasetError: an image cannot be read any more.
        TrainingError: a file cannot be written.
    """
    with writing(
        f"{folder}: results cannot be written there",
        TrainingError,
        "make room, or choose another output",
    ):
        # The figures are written last: where they are, all files are theirs.
        (folder / FIGURES_NAME).unlink(missing_ok=True)
        _write_results(folder / RESULTS_NAME, dataset, scorer.results)
        titles = dataset.classes.foreground
        curves = draw_precision_recall(score.precision["mask"], titles)
        with replaced_file(folder / CURVES_NAME) as file:
            file.write(curves)
        write_evaluation_page(
            folder / PAGE_NAME,
            _subtitle(origin),
            dataset,
            scorer.truths,
            scorer.results,
            score,
            decode_image(curves, CURVES_NAME),
        )
        content = _figures(origin, dataset, score)
        with replaced_file(folder / FIGURES_NAME) as file:
            text = json.dumps(content, ensure_ascii=False, indent=1)
            file.write(text.encode() + b"\n")


def _subtitle(origin: Mapping[str, Any]) -> str:
    network, data = origin["network"], origin["data"]
    names = (network.get(key) for key in ("file", "path", "address"))
    text = next(name for name in names if name)
    if network.get("version") is not None:
        text = f"{network['name']} version {network['version']}, {text}"
    tag = f", {data['tag']}" if data.get("tag") else ""
    return f"{text} on {next(iter(data.values()))}{tag}"


def _figures(
    origin: Mapping[str, Any], dataset: FileDataset, score: Score
) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc)
    ids = _image_ids(dataset)
    return {
        "network": origin["network"],
        "data": {**origin["data"], "fingerprint": dataset.fingerprint()},
        **score.evaluation.to_json(),
        "per_picture": [
            {
                "image_id": ids[index],
                "name": dataset.name(index),
                "quality": image.quality,
                "found": len(image.found),
                "wrong": len(image.wrong),
                "missed": len(image.missed),
                "ignored": len(image.ignored),
                "confused": len(image.confused),
            }
            for index, image in enumerate(score.images)
        ],
        "created": now.isoformat(timespec="seconds"),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("maskrcnn-serving", "pycocotools")
        },
    }


def _write_results(
    path: Path, dataset: FileDataset, results: Sequence[Mapping[str, Any]]
) -> None:
    """Writes detections as COCO's results, with the ids of the COCO file if any."""
    image_ids, category_ids = _image_ids(dataset), _category_ids(dataset)
    with replaced_file(path) as file:
        file.write(b"[")
        for number, result in enumerate(results):
            runs = result["segmentation"]
            entry = {
                "image_id": image_ids[result["image_id"]],
                "category_id": category_ids[result["category_id"]],
                "score": result["score"],
                "bbox": [round(side, BOX_DIGITS) for side in result["bbox"]],
                "segmentation": {
                    "size": runs["size"],
                    "counts": runs["counts"].decode("ascii"),
                },
            }
            file.write(b",\n" if number else b"\n")
            file.write(json.dumps(entry).encode())
        file.write(b"\n]\n")


def _image_ids(dataset: FileDataset) -> Sequence[Any]:
    """Returns what results call each image: the COCO file's id, or 1, 2, ..."""
    source = dataset.source
    if isinstance(source, CocoSource):
        return [source.file.images[item].id for item in dataset.indices]
    return range(1, len(dataset) + 1)


def _category_ids(dataset: FileDataset) -> Mapping[int, Any]:
    """Returns class id -> what results call it: the COCO file's id, or the class id.

    Classes that the file does not have keep their title.
    """
    ids = {dataset.classes.ids[t]: t for t in dataset.classes.foreground}
    source = dataset.source
    if not isinstance(source, CocoSource):
        return {class_id: class_id for class_id in ids}
    keys = {name: key for key, name in source.file.categories.items()}
    return {class_id: keys.get(title, title) for class_id, title in ids.items()}
