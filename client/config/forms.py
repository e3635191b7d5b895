"""Brings the older forms of an inference config into the present one.

The deploy form has `connection` and `model_settings`. The first form has no `model`
group: its keys, and `model_classes` of the mode, are at the top.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from client.modes.table import FULL_IMAGE

SUFFIX = "_maskrcnn"
DEPLOY_SUFFIX = "_model"
"""Suffix where the config is one of a deployed model (it has `connection`)."""

MODEL_KEYS = ("gpu_device", "confidence_tag_name", "min_confidence_threshold")
DEPLOY_KEYS = ("connection", "cache_limit")
"""Keys of the deploy form that tell the platform's agent something, not the model."""


def complete(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config in its present form.

    The mode has a name, and the suffixes that the plugin gives to `full_image`, and to
    no other mode, where the config says nothing.
    """
    suffix = DEPLOY_SUFFIX if "connection" in content else SUFFIX
    present = _present_form(content)
    present.pop("$schema", None)
    mode = present.get("mode", {})
    if isinstance(mode, Mapping) and mode.get("name", FULL_IMAGE) == FULL_IMAGE:
        renamed = {"add_suffix": suffix}
        defaults = {
            "name": FULL_IMAGE,
            "model_classes": renamed,
            "model_tags": renamed,
        }
        present["mode"] = _merge(defaults, mode)
    return present


def _present_form(content: Mapping[str, Any]) -> dict[str, Any]:
    """Moves the keys of the older forms to where they are now."""
    present = dict(content)
    if "connection" in present:
        for key in DEPLOY_KEYS:
            present.pop(key, None)
        if "model_settings" in present:
            present["model"] = present.pop("model_settings")
        return present
    mode = present.get("mode", {})
    if "model" in present or not isinstance(mode, Mapping):
        return present
    mode = dict(mode)
    if "source" in mode:
        mode["name"] = mode.pop("source")
    if "model_classes" in present:
        mode.setdefault("model_classes", present.pop("model_classes"))
    model = {k: present.pop(k) for k in MODEL_KEYS if k in present}
    return present | {"mode": mode, "model": model}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lays one config over another; lists are replaced, groups merged."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged
