"""Greedy non-maximum suppression, one pair at a time."""

import numpy as np


def iou(a, b):
    """Intersection over union of two yxyx boxes, float32; 0 for a box without area."""
    a, b = np.float32(a), np.float32(b)
    area_a = (a[2] - a[0]) * (a[3] - a[1])
    area_b = (b[2] - b[0]) * (b[3] - b[1])
    if area_a <= 0 or area_b <= 0:
        return np.float32(0)
    height = max(np.float32(0), min(a[2], b[2]) - max(a[0], b[0]))
    width = max(np.float32(0), min(a[3], b[3]) - max(a[1], b[1]))
    return height * width / (area_a + area_b - height * width)


def nms(boxes, scores, limit, iou_threshold):
    """Returns the rows kept, best first; equal scores keep their order."""
    order = sorted(range(len(boxes)), key=lambda row: -scores[row])
    kept = []
    for row in order:
        if len(kept) == limit:
            break
        if all(iou(boxes[row], boxes[other]) <= iou_threshold for other in kept):
            kept.append(row)
    return kept
