"""Matterport's `resize_image` and `unmold_detections` as numpy code, for one image."""

import numpy as np
from skimage.transform import resize as skimage_resize


def resize(image, size):
    """What its `utils.resize` called."""
    return skimage_resize(
        image,
        size,
        order=1,
        mode="constant",
        cval=0,
        clip=True,
        preserve_range=True,
        anti_aliasing=False,
    )


def resize_image(image, mode, min_dim, max_dim, min_scale=0):
    """Returns the padded uint8 canvas and the window (y1, x1, y2, x2)."""
    height, width = image.shape[:2]
    if mode == "none":
        return image, (0, 0, height, width)
    scale = 1
    if min_dim:
        scale = max(1, min_dim / min(height, width))
    if min_scale and scale < min_scale:
        scale = min_scale
    if mode == "square" and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    resized = image
    if scale != 1:
        resized = resize(image, (round(height * scale), round(width * scale)))
    height, width = resized.shape[:2]
    if mode == "square":
        rows = columns = max_dim
    else:
        rows, columns = (side + -side % 64 for side in (height, width))
    top, left = (rows - height) // 2, (columns - width) // 2
    padding = [(top, rows - height - top), (left, columns - width - left), (0, 0)]
    canvas = np.pad(resized, padding, mode="constant").astype(np.uint8)
    return canvas, (top, left, top + height, left + width)


def norm_boxes(boxes, size):
    """Pixels to normalised float32."""
    height, width = size
    scale = np.array([height - 1, width - 1, height - 1, width - 1])
    return ((boxes - np.array([0, 0, 1, 1])) / scale).astype(np.float32)


def unmold_boxes(boxes_norm, image_size, canvas_size, window):
    """Returns int32 pixel boxes of the original image."""
    wy1, wx1, wy2, wx2 = norm_boxes(np.array(window), canvas_size)
    shift = np.array([wy1, wx1, wy1, wx1])
    extent = np.array([wy2 - wy1, wx2 - wx1, wy2 - wy1, wx2 - wx1])
    inside = np.divide(boxes_norm - shift, extent)
    height, width = image_size
    scale = np.array([height - 1, width - 1, height - 1, width - 1])
    return np.around(inside * scale + np.array([0, 0, 1, 1])).astype(np.int32)


def unmold_mask(mask_probs, box):
    """Returns the boolean mask of the box's size."""
    y1, x1, y2, x2 = box
    return resize(mask_probs, (y2 - y1, x2 - x1)) >= 0.5
