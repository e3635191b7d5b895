"""Writes `docs/contract.md` from `serving.contract`.

`python -m serving.contract_page > docs/contract.md`; a test compares the two.
"""

from __future__ import annotations

from serving import contract

_HEAD = """# The serving contract

Generated from `serving/contract.py`; do not edit by hand.

A model directory is `<base>/<version>/`, holding `saved_model.pb`, `variables/`,
`assets/` and `assets.extra/`, with a positive integer as version, published by one
atomic rename. Its graph uses only ops that TensorFlow 2.17 to 2.21 have.

Shape letters: `B` pictures of a request, `H` and `W` their pixels, `D`
`max_detections`, `M` `mask_size`. Every output has the leading dimension `B`; rows at
and past `num_detections` are zero or empty. Boxes and masks are in the frame of the
decoded original picture: (0, 0) is its top-left corner, pixel i spans [i, i + 1). The
server ignores EXIF orientation, as TensorFlow does; the client of this project
straightens pictures first.
"""

_TAIL = f"""## model_info_json

The same JSON lies in `assets.extra/{contract.MODEL_INFO_ASSET}`:

| key | meaning |
|---|---|
| `contract_version` | {contract.CONTRACT_VERSION} |
| `name` | of the model |
| `classes` | `{{"id", "title", "color"}}` in id order, background first |
| `classes_assumed` | `true` where no file named the classes, else absent |
| `backbone` | of the network |
| `input` | `min_dim`, `max_dim`, `resize_mode`, `max_image_pixels` |
| `mask_size` | `M` |
| `score_threshold`, `iou_threshold`, `max_detections` | baked into the model |
| `precision` | of the weights and activations |
| `checkpoint` | `file` and its `sha256` |
| `created` | UTC, ISO 8601 |
| `versions` | `tensorflow`, `keras`, `maskrcnn_serving` |

## Errors

A picture that is no JPEG, PNG, GIF or BMP, is damaged, or has more than
`max_image_pixels` pixels by its header fails its request with INVALID_ARGUMENT; so do a
wrong rank or number of channels and a batch of 0. Nothing is decoded before its size is
known.
"""


def render() -> str:
    """Returns the page as Markdown."""
    parts = [_HEAD]
    for signature in contract.SIGNATURES.values():
        parts.append(f"## {signature.name}\n\nFor {signature.purpose}.\n")
        for title, tensors in (
            ("input", signature.inputs),
            ("output", signature.outputs),
        ):
            rows = [f"| {title} | dtype[shape] | meaning |", "|---|---|---|"]
            rows += [_row(tensor) for tensor in tensors]
            parts.append("\n".join(rows) + "\n")
    return "\n".join([*parts, _TAIL])


def _row(tensor: contract.Tensor) -> str:
    shape = ", ".join(map(str, tensor.shape))
    return f"| `{tensor.name}` | {tensor.dtype}[{shape}] | {tensor.meaning} |"


if __name__ == "__main__":
    print(render(), end="")  # noqa: T201
