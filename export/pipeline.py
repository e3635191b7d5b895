"""The export as named steps: load -> passes -> build -> save -> verify -> publish.

The passes are those of the precision. They work on arrays, before the network that is
served is built.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from export.decode import decode
from export.errors import ExportError
from export.module import ServingModule
from export.precisions import PRECISIONS
from export.publish import check_version, folder_bytes, publish, staging_folder
from export.settings import Options, Settings, resolve_settings
from export.verify import verify, verify_features
from export.warmup import write_warmup
from formats.files.writing import writing
from models.checkpoint import Checkpoint, inspect_checkpoint, read_arrays, sha256
from models.errors import WeightsError
from models.mask_rcnn import MaskRCNN
from serving import contract

logger = logging.getLogger(__name__)


def export_model(options: Options) -> Path:
    """Turns a checkpoint into a version of a served model.

    Args:
        options: what to export, and where to.

    Returns:
        The new version's folder, `<base path>/<version>`.

    Raises:
        ExportError: bad options or config, an unwritable or existing target, or a saved
            model that does not compute what the network computes. Nothing is published.
        WeightsError: the checkpoint is not a whole Mask R-CNN.
    """
    check_version(options.base_path, options.version, overwrite=options.overwrite)
    checkpoint = inspect_checkpoint(options.weights)
    if checkpoint.problems:
        raise WeightsError(
            str(options.weights),
            checkpoint.problems,
            "python -m export --inspect shows what the file holds.",
        )
    settings = resolve_settings(options, checkpoint)
    precision = PRECISIONS[options.precision]
    info = checked_info(_model_info(options, settings, checkpoint))
    image = _read_image(options) if options.verify_image else None
    with staging_folder(options.base_path) as folder:
        with _step("load weights"):
            arrays = read_arrays(checkpoint)
            reference = MaskRCNN.from_arrays(settings.config, arrays)
        for one in precision.passes:
            with _step(one.name):
                arrays = one.run(arrays)
        with _step("build"):
            network = precision.build(settings.config, arrays)
            verify_features(reference, network, precision)
        with _step("save"), _written(options.base_path):
            save(network, info, folder)
        del arrays, network  # the verification loads what was saved
        logger.info("saved model: %.1f MB", folder_bytes(folder) / 1e6)
        with _step("verify"), _computed():
            report = verify(folder, reference, info, image, precision.tolerances)
        logger.info(
            "verified on %d picture(s): %d instances, %d without a partner",
            report.images,
            report.instances,
            report.lost,
        )
        if not report.instances:
            logger.warning(
                "the network found nothing in the verification pictures, so boxes and "
                "masks were not compared; name a picture with objects by --verify-image"
            )
        return publish(
            folder, options.base_path, options.version, overwrite=options.overwrite
        )


def save(network: MaskRCNN, info: contract.ModelInfo, folder: Path) -> None:
    """Writes a SavedModel with the contract's signatures and `assets.extra`.

    Args:
        network: what to serve.
        info: what `model_info` answers.
        folder: an empty or missing folder.
    """
    module = ServingModule(network, info)
    tf.saved_model.save(module, str(folder), signatures=module.signatures())
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / contract.MODEL_INFO_ASSET).write_text(info.to_json() + "\n", "utf-8")
    write_warmup(extra, info.name)


def checked_info(info: contract.ModelInfo) -> contract.ModelInfo:
    """Returns what a model says of itself, as clients will read it.

    Raises:
        ExportError: they would refuse it: a class with a control character in its name,
            or a colour that is not "#RRGGBB".
    """
    try:
        return contract.ModelInfo.from_json(info.to_json())
    except contract.ModelInfoError as err:
        raise ExportError(f"no client would take this model: {err}") from err


def _model_info(
    options: Options, settings: Settings, checkpoint: Checkpoint
) -> contract.ModelInfo:
    config = settings.config
    now = datetime.datetime.now(datetime.timezone.utc)
    return contract.ModelInfo(
        name=options.model_name,
        classes=settings.classes,
        backbone=config.architecture.backbone,
        input=contract.ModelInput(
            min_dim=config.min_dim,
            max_dim=config.max_dim,
            resize_mode=config.resize_mode,
            max_image_pixels=options.max_image_pixels,
        ),
        mask_size=config.mask_size,
        score_threshold=config.score_threshold,
        iou_threshold=config.iou_threshold,
        max_detections=config.max_detections,
        precision=options.precision,
        checkpoint={
            "file": checkpoint.path.name,
            "sha256": sha256(checkpoint.path),
        },
        created=now.isoformat(timespec="seconds"),
        versions={
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "maskrcnn_serving": importlib.metadata.version("maskrcnn-serving"),
        },
        classes_assumed=settings.classes_assumed,
    )


def _read_image(options: Options) -> np.ndarray[Any, Any]:
    path = options.verify_image
    try:
        contents = Path(str(path)).read_bytes()
        return decode(tf.constant(contents), options.max_image_pixels).numpy()
    except (OSError, tf.errors.OpError) as err:
        raise ExportError(f"{path}: not usable as a picture: {_plain(err)}") from err


@contextlib.contextmanager
def _step(name: str) -> Iterator[None]:
    logger.info("%s ...", name)
    started = time.perf_counter()
    yield
    logger.info("%s: %.1f s", name, time.perf_counter() - started)


def _written(base_path: Path) -> contextlib.AbstractContextManager[None]:
    """Tells a disk that is full, and others that cannot be written."""
    return writing(
        f"{base_path}: the model cannot be written",
        ExportError,
        "nothing was published; make room or choose another --output",
        also=(tf.errors.OpError,),
    )


@contextlib.contextmanager
def _computed() -> Iterator[None]:
    """Tells a network that does not run: too large a canvas, too little memory."""
    try:
        yield
    except (MemoryError, tf.errors.OpError) as err:
        raise ExportError(
            f"the network does not run: {_plain(err) or 'out of memory'}; nothing was "
            "published"
        ) from err


def _plain(err: Exception) -> str:
    """Returns the text of an error without TensorFlow's names of nodes."""
    return re.sub(r"{{.*?}} | \[Op:.*?\]", "", str(err)).strip()
