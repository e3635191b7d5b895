"""Documents that are made from code are up to date."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving import contract_page

ROOT = Path(__file__).parents[2]


def test_contract_page_is_up_to_date():
    written = (ROOT / "docs" / "contract.md").read_text("utf-8")
    assert written == contract_page.render(), (
        "run python -m serving.contract_page > docs/contract.md"
    )


def test_descriptors_are_up_to_date():
    done = subprocess.run(
        [sys.executable, "-m", "serving.compile_protos", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        *(str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs").rglob("*.md"))),
    ],
)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"
