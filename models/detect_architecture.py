"""Which network a set of array shapes belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from models.architecture import Architecture
from models.layout import Key, Shape

MIN_CLASSES = 2


def find_architecture(
    shapes: Mapping[Key, Shape],
) -> tuple[Architecture, list[str]]:
    """Reads the sizes of the layers off the shapes of a file's arrays.

    Returns:
        The architecture, with ResNet-101's sizes where no shape tells, and one sentence
        for each contradiction.
    """

    def size(layer: str, axis: int, default: int) -> int:
        shape = shapes.get((layer, "kernel"))
        if shape is None and axis == -1:
            shape = shapes.get((layer, "bias"))
        if shape is None or not -len(shape) <= axis < len(shape):
            return default
        return shape[axis]

    default = Architecture()
    blocks, filters = [], []
    for stage in range(2, 6):
        letters = {
            layer[4]
            for layer, _ in shapes
            if layer.startswith(f"res{stage}") and layer.endswith("_branch2a")
        }
        count = (ord(max(letters)) - ord("a") + 1) if letters else 0
        blocks.append(count or default.stage_blocks[stage - 2])
        fallback = default.stage_filters[stage - 2]
        filters.append(size(f"res{stage}a_branch2a", -1, fallback))
    problems = []
    channels = size("conv1", 2, 3)
    if channels != 3:
        problems.append(
            f"conv1/kernel: expected 3 input channels, got {channels}; only RGB "
            "networks are supported"
        )
    classes, contradictions = _class_count(shapes)
    return (
        Architecture(
            stem_filters=size("conv1", -1, default.stem_filters),
            stage_blocks=tuple(blocks),
            stage_filters=tuple(filters),
            fpn_channels=size("fpn_c5p5", -1, default.fpn_channels),
            rpn_channels=size("rpn_conv_shared", -1, default.rpn_channels),
            anchors_per_cell=size("rpn_class_raw", -1, 6) // 2,
            box_head_channels=size("mrcnn_class_conv1", -1, default.box_head_channels),
            pool_size=size("mrcnn_class_conv1", 0, default.pool_size),
            mask_head_channels=size("mrcnn_mask_conv1", -1, default.mask_head_channels),
            num_classes=classes,
        ),
        [*problems, *contradictions],
    )


def _class_count(shapes: Mapping[Key, Shape]) -> tuple[int, list[str]]:
    """Returns the number of classes, and what is wrong with it."""
    divisors = {"mrcnn_class_logits": 1, "mrcnn_bbox_fc": 4, "mrcnn_mask": 1}
    counts = {
        layer: shapes[layer, "kernel"][-1] // divisor
        for layer, divisor in divisors.items()
        if shapes.get((layer, "kernel"))
    }
    if not counts:
        return Architecture().num_classes, []
    problems = []
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{layer} {count}" for layer, count in counts.items())
        problems.append(
            f"number of classes: the layers contradict each other ({listed})"
        )
    count = next(iter(counts.values()))
    if count < MIN_CLASSES:
        problems.append(
            f"number of classes: expected at least {MIN_CLASSES} with the background, "
            f"got {count}"
        )
    return count, problems
