"""The table of the train config and the code say the same."""

import json
import re
from pathlib import Path

from training.config.train_config import read_config

PAGE = Path(__file__).parents[3] / "docs" / "training-data.md"
ROW = re.compile(r"\| `(?P<key>[a-z_0-9.]+)` \| .* \| `(?P<default>[^`]*)` \|")


def flat(settings, prefix=""):
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_table_of_the_config():
    rows = [ROW.fullmatch(line) for line in PAGE.read_text("utf-8").splitlines()]
    told = {row["key"]: json.loads(row["default"]) for row in rows if row}
    assert told == dict(flat(read_config({}).settings()))
