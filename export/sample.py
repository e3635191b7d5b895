"""Images made by a formula, for verification and warmup."""

from __future__ import annotations

from typing import Any

import numpy as np


def sample_image(seed: int, height: int, width: int) -> np.ndarray[Any, Any]:
    """Draws shaded ellipses over a textured slope.

    Args:
        seed: another one gives another image.
        height: pixels.
        width: pixels.

    Returns:
        uint8[height, width, 3] RGB, the same on every machine.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    image = np.stack([x / width, y / height, (x + y) / (width + height)], -1) * 90
    image += rng.integers(0, 12, (height, width, 1))
    for _ in range(12):
        center_y, center_x = rng.uniform(0, height), rng.uniform(0, width)
        radius_y, radius_x = rng.uniform(0.04, 0.2, 2) * min(height, width)
        distance = ((y - center_y) / radius_y) ** 2 + ((x - center_x) / radius_x) ** 2
        shade = np.sqrt(np.clip(1.2 - distance, 0, 1))[..., None]
        shade[distance > 1] = 0
        image = image * (1 - shade) + rng.uniform(60, 255, 3) * shade
    return np.clip(image, 0, 255).astype(np.uint8)
