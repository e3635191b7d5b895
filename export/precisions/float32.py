"""float32: the network of the checkpoint, its normalisation folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from export.precisions.precision import Pass, Precision, Tolerances
from models.config import ModelConfig
from models.folding import fold_batch_norm
from models.layout import Arrays

if TYPE_CHECKING:
    from models.mask_rcnn import MaskRCNN


def build(config: ModelConfig, arrays: Arrays) -> MaskRCNN:
    """Returns the network of folded arrays; only here TensorFlow is imported."""
    from models.mask_rcnn import MaskRCNN

    return MaskRCNN.from_arrays(config, arrays)


FLOAT32 = Precision(
    name="float32",
    passes=(Pass("folding the batch normalisation", fold_batch_norm),),
    build=build,
    tolerances=Tolerances(
        feature_error=1e-3,
        score_error=2e-3,
        box_iou=0.95,
        # Boxes on the canvas border may lose a row of their mask to the last bit.
        mask_iou=0.95,
        mask_prob_error=5e-3,
        # NMS turns float noise into a swapped detection now and then; a defect loses
        # most.
        lost_share=0.1,
    ),
)
