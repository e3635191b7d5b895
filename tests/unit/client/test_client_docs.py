import re
from pathlib import Path

from client import InferenceConfig
from client.__main__ import build_parser
from client.config import page as config_page
from client.modes.values import Group
from formats.json_file import read_json
from tests.oracle import EXCEPTIONS

DOCS = Path(__file__).resolve().parents[3] / "docs"
TEXT = (DOCS / "client.md").read_text()


def json_blocks(text):
    return re.findall(r"```json\n(.*?)```", text, re.DOTALL)


def test_configs_of_the_documentation_are_valid(tmp_path):
    pages = [TEXT, *(page.read_text() for page in DOCS.glob("inference-config.md"))]
    blocks = [block for page in pages for block in json_blocks(page)]
    assert len(blocks) >= 4
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.json"
        path.write_text(block)
        InferenceConfig.load(path)
    first = InferenceConfig.load(tmp_path / "0.json").to_mode()
    assert first.selection.classes == InferenceConfig().to_mode().selection.classes
    assert set(read_json(tmp_path / "0.json")) == set(InferenceConfig.model_fields)


def test_every_option_is_documented():
    for action in build_parser()._actions:
        for option in action.option_strings:
            assert option in TEXT or option in ("-h", "--help")


def test_reference_is_up_to_date():
    message = "run python -m client.config.page docs"
    assert (DOCS / config_page.PAGE).read_text() == config_page.render_page(), message
    schema = (DOCS / config_page.SCHEMA).read_text()
    assert schema == config_page.render_schema(), message


def test_reference_has_every_key():
    page = (DOCS / config_page.PAGE).read_text()
    groups = Group.__subclasses__()
    for group in groups:
        groups += group.__subclasses__()
    assert len(groups) >= 14
    for group in groups:
        for key in group.model_fields:
            assert re.search(rf"`([a-z_]+\.)?{key}`", page), key


def test_exceptions_of_the_oracle_are_documented():
    """What the tests expect to differ from the SDK is in the list for users."""
    page = (DOCS / config_page.PAGE).read_text()
    listed = page.partition("## Where this client differs")[2]
    words = {
        "roi_09_negative": "left of or above the picture",
        "swdet_04_bitmap_dropped": "masks in `sliding_window_det`",
        "swdet_05_mixed": "masks in `sliding_window_det`",
        "sw_01_instance_model": "`sliding_window` with an instance model",
    }
    assert set(words) == set(EXCEPTIONS)
    assert all(text in listed for text in words.values())
