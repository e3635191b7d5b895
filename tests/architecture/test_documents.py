"""Documents that are made from code are up to date."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving import contract_page, protos
from serving.embedded.options import ServerOptions

ROOT = Path(__file__).parents[2]


def test_contract_page_is_up_to_date():
    written = (ROOT / "docs" / "contract.md").read_text("utf-8")
    assert written == contract_page.render(written), (
        "run python -m serving.contract_page docs/contract.md"
    )


def test_contract_page_names_the_numbers_of_the_wire():
    page = (ROOT / "docs" / "contract.md").read_text("utf-8")
    told = re.findall(r"`(DT_\w+)` = (\d+)", page)
    assert {name for name, _ in told} == {
        "DT_STRING",
        "DT_UINT8",
        "DT_INT32",
        "DT_FLOAT",
    }
    assert all(protos.DATA_TYPE_NUMBERS[name] == int(number) for name, number in told)
    assert f"| gRPC | port {ServerOptions.port}," in page
    assert f"| REST | port {ServerOptions.rest_api_port}," in page
    assert f"| model name | `{ServerOptions.model_name}` from" in page


def test_descriptors_are_up_to_date():
    done = subprocess.run(
        [sys.executable, "-m", "serving.compile_protos", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_architecture_drawing_is_up_to_date():
    done = subprocess.run(
        [sys.executable, "docs/draw_architecture.py", "--check"], cwd=ROOT, check=False
    )
    assert done.returncode == 0, "run python docs/draw_architecture.py"


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        *(str(p.relative_to(ROOT)) for p in sorted((ROOT / "docs").rglob("*.md"))),
    ],
)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"
