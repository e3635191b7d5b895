"""RoI pooling, one sample at a time."""

import math

import numpy as np


def level(box, canvas_size):
    """Pyramid level of one normalised box: FPN eq. (1), rounded half to even."""
    y1, x1, y2, x2 = map(float, box)
    height, width = canvas_size
    side_px = math.sqrt(max(0.0, (y2 - y1) * (x2 - x1)) * height * width)
    if side_px == 0:
        return 2
    return min(5, max(2, 4 + round(math.log2(side_px / 224))))


def sample(features, y, x):
    """Bilinear value at (row, column) coordinates; 0 outside of the cells' centres."""
    rows, columns, _ = features.shape
    if not (0 <= y <= rows - 1 and 0 <= x <= columns - 1):
        return np.zeros(features.shape[-1], np.float32)
    top, left = math.floor(y), math.floor(x)
    bottom, right = math.ceil(y), math.ceil(x)
    upper = features[top, left] * (1 - (x - left)) + features[top, right] * (x - left)
    lower = features[bottom, left] * (1 - (x - left)) + features[bottom, right] * (
        x - left
    )
    return upper * (1 - (y - top)) + lower * (y - top)


def positions(start, end, cells, side):
    """Coordinates of the samples along one axis, from corner to corner."""
    start, end = float(start) * (cells - 1), float(end) * (cells - 1)
    return [start + i * (end - start) / (side - 1) for i in range(side)]


def pool(features, box, side):
    """float32[side, side, F] of one box on one map."""
    rows, columns, channels = features.shape
    pooled = np.zeros((side, side, channels), np.float32)
    for i, y in enumerate(positions(box[0], box[2], rows, side)):
        for j, x in enumerate(positions(box[1], box[3], columns, side)):
            pooled[i, j] = sample(features, y, x)
    return pooled
