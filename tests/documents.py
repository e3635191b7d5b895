"""The commands and Python blocks that README and the pages show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")),
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PROGRAM = re.compile(
    r"(python|pip|make|curl|docker|npm|node|\(printf|TF_CONFIG=\S+.*)\b"
)
_COMMENT = re.compile(r"\s{2,}#.*$")


class Shown(NamedTuple):
    """What a page shows.

    Attributes:
        page: path from the root.
        text: a command without its comment, or a block of Python.
    """

    page: str
    text: str


def commands() -> Iterator[Shown]:
    """Yields every command line, in the order of the pages."""
    for page, language, block in _blocks():
        if language:
            continue
        joined = re.sub(r"\\\n\s*", "", re.sub(r"\|\n\s*", "| ", block))
        for line in joined.splitlines():
            if _PROGRAM.match(line):
                yield Shown(page, _COMMENT.sub("", line))


def python_blocks() -> Iterator[Shown]:
    """Yields every block of Python, in the order of the pages."""
    for page, language, block in _blocks():
        if language == "python":
            yield Shown(page, block)


def _blocks() -> Iterator[tuple[str, str, str]]:
    for page in sorted(PAGES, key=lambda page: (page != "README.md", page)):
        for language, block in _BLOCK.findall((ROOT / page).read_text("utf-8")):
            yield page, language, block
