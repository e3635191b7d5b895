"""Writes the reference of the inference config, and its JSON Schema for editors.

`python -m client.config.page docs`; a test compares the files with what is written.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from client.config.inference_config import InferenceConfig, ModelGroup
from client.modes.group import ModeGroup
from client.modes.table import FULL_IMAGE, AnyMode

PAGE = "inference-config.md"
SCHEMA = "inference-config.schema.json"

_HEAD = f"""# The inference config

Generated from the groups in `client/config` and `client/modes`; do not edit by hand.

The file is that of the Supervisely Mask R-CNN plugin, and it means what it means there;
[where it does not](#where-this-client-differs) is listed below. Everything in it is
optional, the file too: without any, the model sees the picture as a whole and names are
its own.

What you write is laid over the defaults, group by group; lists are replaced. Unknown
keys, keys that are there twice, numbers as text and the like are errors, all told at
once, before anything is sent:

```
inference.json: model.gpu_device: expected >= 0, got -1
inference.json: mode.model_clases: unknown key; did you mean "model_classes"?
```

Editors check and complete the file with its [JSON Schema]({SCHEMA}):

```json
{{
  "$schema": "{SCHEMA}",
  "model": {{"min_confidence_threshold": 0.8}},
  "mode": {{"name": "full_image", "model_classes": {{"save_classes": ["person"]}}}}
}}
```
"""

_NAMES = """## Names

`add_suffix` is appended to the name of each class that is kept. In `full_image` it is
`_maskrcnn` for classes and tags where you write nothing, as in the plugin; no suffix
takes `"add_suffix": ""`. In all other modes it is empty.

`save_classes` and `from_classes` are `"__all__"` or a list; an empty list keeps none.
`save_names` is the other name of `save_classes`, and wins where both are written. Names
that the model does not have are told at connect, with those that come close.

The `meta.json` of the results has the classes and tags of the input, every class of the
model that is kept, its background (`bg`) too, and the classes of saved regions. A name
that would be there twice is an error that says where both come from, even if the two
are of one shape; give the model's names another suffix.

## Lengths

`"12px"` or `"5%"`, whole numbers, with a `-` before where that makes sense. A share is
cut off towards zero: 5 % of 50 pixels are 2. Something must be left of a picture or of
an object's box.
"""

_TAIL = """## Older forms

The first form of the plugin has no `model` group:

```json
{
  "gpu_device": 0,
  "model_classes": {"save_classes": ["person"], "add_suffix": "_nn"},
  "mode": {"source": "full_image"}
}
```

That of a deployed model has `connection` (not used here), `model_settings` in place of
`model`, and `_model` as the suffix of `full_image` where none is written:

```json
{
  "connection": {"server_address": "", "token": "", "node_name": ""},
  "model_settings": {"gpu_device": 0},
  "mode": {"name": "full_image"}
}
```

## Warnings

These are in `result.warnings`, are logged once by each client, and are no errors: names
to save that the model does not have, names of `from_classes` that the project does not
have, a `min_confidence_threshold` below the one that is part of the model, `join`
without `enable`, objects of an annotation outside of its picture, and
`save_probabilities`.

## Where this client differs

From what Supervisely's SDK (6.74) makes of the same file, picture, annotation and
predictions. All else is the same: objects, their order, classes, tags, the meta, and
errors.

"""

DIFFERENCES = (
    (
        "masks in `sliding_window_det`",
        "dropped without a word, only rectangles stay",
        "kept; `nms_after` compares their boxes, or the masks themselves with "
        '`"iou_type": "mask"`',
    ),
    (
        "`sliding_window` with an instance model",
        "an error after the last window",
        "the same as `sliding_window_det`, with a `nms_after` of its own",
    ),
    ("`iou_type` and `join` of `nms_after`", "unknown keys", "as described above"),
    (
        "a roi that begins left of or above the picture",
        "sees a wrong part of the picture",
        "an error",
    ),
    (
        "`nms_after.confidence_tag_name` other than `model.confidence_tag_name`",
        "an error at the first picture with an instance",
        "an error at the start",
    ),
    ("unknown keys beside `model` and `mode`", "ignored", "errors"),
)
"""What, what the SDK does, and what this client does."""


def render_schema() -> str:
    """Returns the JSON Schema of the config as users write it."""
    schema = InferenceConfig.model_json_schema()
    _strip(schema)
    schema["properties"]["$schema"] = {"type": "string"}
    first = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Inference config of a Mask R-CNN",
    }
    return json.dumps(first | schema | first, indent=1) + "\n"


def _strip(node: Any) -> None:
    """Takes out defaults of whole groups, as their keys' say the same, and titles."""
    if isinstance(node, list):
        for value in node:
            _strip(value)
    if isinstance(node, dict):
        if isinstance(node.get("default"), dict) or node.get("default", 0) is None:
            del node["default"]
        if isinstance(node.get("title"), str):
            del node["title"]
        for value in node.values():
            _strip(value)


def render_page() -> str:
    """Returns the reference as Markdown."""
    schema = json.loads(render_schema())
    groups = schema["$defs"]
    modes = [(mode, groups[mode.__name__]) for mode in get_args(AnyMode)]
    lines = [_HEAD, "## model\n", *_table(groups[ModelGroup.__name__], groups)]
    lines += ["\n## mode\n", "What all modes have:\n"]
    name_of_mode = {
        "enum": [group["properties"]["name"]["const"] for _, group in modes],
        "default": FULL_IMAGE,
        "description": "which mode",
    }
    shared = {"name": name_of_mode} | _keys(modes[0][1], shared=True)
    lines += _table({"properties": shared}, groups)
    for mode, group in modes:
        name = group["properties"]["name"]["const"]
        more = f"[More, with a picture](modes/{mode.twin_of or name}.md)."
        lines += [f"\n### {name}\n", f"{group['description']} {more}"]
        own = _keys(group, shared=False)
        if mode.twin_of:
            lines += [f"It has the keys of `{mode.twin_of}`."]
        elif own:
            lines += ["", *_table({"properties": own}, groups)]
    lines += ["", _NAMES, _TAIL, "| what | SDK | here |", "|---|---|---|"]
    lines += [f"| {what} | {sdk} | {here} |" for what, sdk, here in DIFFERENCES]
    return "\n".join(lines) + "\n"


def _keys(group: Any, *, shared: bool) -> dict[str, Any]:
    """Returns the keys of a mode's group that all modes have, or its own."""
    keys = ((k, v) for k, v in group["properties"].items() if k != "name")
    return {k: v for k, v in keys if (k in ModeGroup.model_fields) is shared}


def _table(group: Any, groups: Any) -> Iterator[str]:
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    yield from _rows(group, groups, "")


def _rows(group: Any, groups: Any, prefix: str) -> Iterator[str]:
    """Yields a row a key, those of inner groups after their own."""
    for key, entry in group["properties"].items():
        path = f"{prefix}{key}"
        inner = groups.get(entry.get("$ref", "").rpartition("/")[2])
        default = ""
        if "default" in entry:
            default = f"`{json.dumps(entry['default'])}`"
        meaning = entry.get("description", "")
        kind = "group" if inner else _kind(entry)
        yield f"| `{path}` | {kind} | {default} | {meaning} |"
        if inner:
            yield from _rows(inner, groups, f"{path}.")


def _kind(entry: Any) -> str:
    """Returns what a value may be."""
    if "enum" in entry:
        return " or ".join(f'`"{value}"`' for value in entry["enum"])
    if "anyOf" in entry:
        return '`"__all__"` or a list of names'
    if "pattern" in entry:
        return 'length: `"12px"`, `"5%"`'
    kind = {
        "boolean": "true or false",
        "integer": "integer",
        "number": "number",
        "string": "text",
    }[entry["type"]]
    if "minimum" in entry and "maximum" in entry:
        return f"{kind}, {entry['minimum']:g}..{entry['maximum']:g}"
    if "minimum" in entry:
        return f"{kind} >= {entry['minimum']:g}"
    return f"{kind}, not empty" if "minLength" in entry else kind


def main(folder: str) -> None:
    """Writes both files into a folder."""
    Path(folder, PAGE).write_text(render_page(), "utf-8")
    Path(folder, SCHEMA).write_text(render_schema(), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
