"""Box decoding, proposals and detections for one image, row by row in float32."""

import math

import numpy as np

from tests.reference.nms import nms


def decode(box, deltas):
    """Faster R-CNN eq. (2) for one yxyx box."""
    y1, x1, y2, x2 = map(float, box)
    dy, dx, log_h, log_w = map(float, deltas)
    height, width = y2 - y1, x2 - x1
    center_y = y1 + height / 2 + dy * height
    center_x = x1 + width / 2 + dx * width
    height *= math.exp(log_h)
    width *= math.exp(log_w)
    return [
        center_y - height / 2,
        center_x - width / 2,
        center_y + height / 2,
        center_x + width / 2,
    ]


def clip(box, window):
    """One box cut to a window."""
    low_y, low_x, high_y, high_x = window
    y1, x1, y2, x2 = box
    return [
        max(min(y1, high_y), low_y),
        max(min(x1, high_x), low_x),
        max(min(y2, high_y), low_y),
        max(min(x2, high_x), low_x),
    ]


def propose(objectness, deltas, anchors, *, std, top_k, limit, iou_threshold):
    """Proposals of one image: top-k, decode, clip, NMS, zero rows up to `limit`."""
    order = sorted(range(len(anchors)), key=lambda row: -objectness[row])[:top_k]
    boxes = [
        clip(decode(anchors[row], np.multiply(deltas[row], std)), (0, 0, 1, 1))
        for row in order
    ]
    kept = nms(boxes, [objectness[row] for row in order], limit, iou_threshold)
    result = np.zeros((limit, 4), np.float32)
    for place, row in enumerate(kept):
        result[place] = boxes[row]
    return result


def detect(
    rois,
    probs,
    deltas,
    window,
    *,
    std,
    score_threshold,
    iou_threshold,
    max_detections,
):
    """Detections of one image as a list of (box, class id, score), best first."""
    rows = []
    for roi, row_probs, row_deltas in zip(rois, probs, deltas, strict=True):
        class_id = max(range(len(row_probs)), key=lambda c: row_probs[c])
        box = clip(decode(roi, np.multiply(row_deltas[class_id], std)), window)
        rows.append((box, class_id, row_probs[class_id]))
    candidates = [
        row
        for row, (_, class_id, score) in enumerate(rows)
        if class_id > 0 and score >= np.float32(score_threshold)
    ]
    kept = []
    for class_id in {rows[row][1] for row in candidates}:
        own = [row for row in candidates if rows[row][1] == class_id]
        boxes = [rows[row][0] for row in own]
        scores = [rows[row][2] for row in own]
        kept += [own[i] for i in nms(boxes, scores, max_detections, iou_threshold)]
    best = sorted(kept, key=lambda row: (-rows[row][2], row))[:max_detections]
    return [rows[row] for row in best]
