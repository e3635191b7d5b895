"""Writes the tables of `docs/contract.md` from `serving.contract`.

`python -m serving.contract_page docs/contract.md` renews what lies between the page's
two marks; the rest of the page is written by hand. A test compares the two.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from serving import contract

BEGIN = "<!-- from serving/contract.py: do not edit by hand -->"
END = "<!-- end of what comes from serving/contract.py -->"

_INFO = f"""## model_info_json

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
"""


def render(page: str) -> str:
    """Returns a page with its tables renewed.

    Args:
        page: Markdown that holds `BEGIN` and, after it, `END`.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"page: expected the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{_tables()}\n{END}{after}"


def _tables() -> str:
    parts = []
    for signature in contract.SIGNATURES.values():
        parts.append(f"## {signature.name}\n\nFor {signature.purpose}.\n")
        for title, tensors in (
            ("input", signature.inputs),
            ("output", signature.outputs),
        ):
            rows = [f"| {title} | dtype[shape] | meaning |", "|---|---|---|"]
            rows += [_row(tensor) for tensor in tensors]
            parts.append("\n".join(rows) + "\n")
    return "\n".join([*parts, _INFO])


def _row(tensor: contract.Tensor) -> str:
    shape = ", ".join(map(str, tensor.shape))
    return f"| `{tensor.name}` | {tensor.dtype}[{shape}] | {tensor.meaning} |"


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m serving.contract_page")
    parser.add_argument("page", type=Path, help="docs/contract.md")
    page: Path = parser.parse_args(argv).page
    page.write_text(render(page.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
