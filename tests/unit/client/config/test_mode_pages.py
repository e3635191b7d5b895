"""The pages of the modes: configs that load, and a page for every mode."""

import re
from pathlib import Path
from typing import get_args

import pytest

from client import InferenceConfig
from client.modes.table import AnyMode

PAGES = Path(__file__).resolve().parents[4] / "docs" / "modes"
MODES = {
    get_args(group.model_fields["name"].annotation)[0]: group
    for group in get_args(AnyMode)
}


def test_every_mode_is_in_the_index():
    index = (PAGES / "README.md").read_text()
    windows = {"sliding_window_det", "sliding_window"}
    assert MODES.keys() >= {"full_image", "roi", "bboxes"} | windows
    assert all(f"`{mode}`" in index for mode in MODES)
    assert {page.stem for page in PAGES.glob("*.md")} - {"README"} == {
        group.twin_of or mode for mode, group in MODES.items()
    }
    assert MODES["sliding_window"].twin_of == "sliding_window_det"


@pytest.mark.parametrize("page", sorted(PAGES.glob("[a-z]*.md")), ids=lambda p: p.stem)
def test_config_of_a_page_is_valid(page, tmp_path):
    text = page.read_text()
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "inference.json"
    path.write_text(block)
    config = InferenceConfig.load(path)
    assert config.mode.name == page.stem
    assert config.warnings() == []
    assert f"({page.stem}.jpg)" in text
    assert (PAGES / f"{page.stem}.jpg").stat().st_size < 150_000
