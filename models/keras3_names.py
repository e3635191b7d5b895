"""Which layer an array of Keras 3's own weight files belongs to.

There, groups are called after classes and numbered ("layers/conv2d_7/vars/0"), arrays
have their index. Since 3.6, "vars" bears the name of its layer as an attribute; before,
only the description of the model beside the weights in a .keras archive tells it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from models.layout import Key, array_names, canonical_layer

MAX_DEPTH = 16
"""Models inside models of a description."""
_WORD_START = re.compile("(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])")


def is_keras3_path(path: str) -> bool:
    """Says whether an array lies where Keras 3 puts it."""
    return re.search(r"(^|/)vars/\d+$", path) is not None


def keras3_key(path: str, layer_names: Mapping[str, str]) -> Key | None:
    """Returns what an array is: its innermost known layer, and its name by its index.

    Args:
        path: of the array.
        layer_names: group -> name of its layer.
    """
    if not is_keras3_path(path):
        return None
    group, _, index = path.rpartition("/vars/")
    while group:
        layer = canonical_layer(layer_names.get(group, ""))
        if layer is not None:
            names = array_names(layer)
            # More digits than any index has are not worth a number.
            known = len(index) < 4 and int(index) < len(names)
            return (layer, names[int(index)]) if known else None
        group = group.rpartition("/")[0]
    return None


def names_from_description(description: Any) -> dict[str, str]:
    """Returns group -> name of its layer, as Keras 3 writes a described model.

    Args:
        description: content of a .keras archive's config.json. Only the names and
            classes of layers are looked at; nothing is built from it.
    """
    names: dict[str, str] = {}
    _add_layers(description, "", names, 0)
    return names


def _add_layers(
    description: Any, prefix: str, names: dict[str, str], depth: int
) -> None:
    config = description.get("config") if isinstance(description, dict) else None
    layers = config.get("layers") if isinstance(config, dict) else None
    if not isinstance(layers, list) or depth > MAX_DEPTH:
        return
    counts: dict[str, int] = {}
    for layer in layers:
        if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
            continue
        stem = _WORD_START.sub("_", str(layer.get("class_name"))).lower()
        number = counts.get(stem, 0)
        counts[stem] = number + 1
        group = (
            f"{prefix}layers/{stem}_{number}" if number else f"{prefix}layers/{stem}"
        )
        names[group] = str(layer["config"].get("name"))
        _add_layers(layer, f"{group}/", names, depth + 1)
