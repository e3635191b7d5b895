import re
from pathlib import Path

from client import InferenceConfig
from client.__main__ import build_parser
from formats.json_file import read_json

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "client.md").read_text()


def test_configs_of_the_documentation_are_valid(tmp_path):
    blocks = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 3
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
