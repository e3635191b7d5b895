"""No module imports one that imports it, however far apart they are."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("client", "export", "formats", "maskrcnn", "models", "serving", "training")


def modules_of(root, packages):
    """Returns name -> path of every module of the packages."""
    paths = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            paths[name.removesuffix(".__init__")] = path
    return paths


def imports_of(paths):
    """Returns name -> names of the modules it imports, anywhere in its text."""
    imported = {}
    for name, path in paths.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: expected absolute imports"
                members = {f"{node.module}.{alias.name}" for alias in node.names}
                # The package itself gives what is none of its modules.
                found |= members & paths.keys()
                if members - paths.keys():
                    found.add(node.module)
        imported[name] = found & paths.keys()
    return imported


def circle_in(imported):
    """Returns one circle of imports, ["a", "b", "a"], or []."""
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as err:
        return err.args[1]
    return []


@pytest.fixture(scope="module")
def imported():
    return imports_of(modules_of(ROOT, PACKAGES))


def test_every_package_is_looked_at(imported):
    assert {name.partition(".")[0] for name in imported} == set(PACKAGES)
    assert "models.mask_rcnn" in imported["training.learning.network"]  # at the top
    assert "client.drawing" in imported["client.result"]  # in a function


def test_no_modules_import_each_other(imported):
    circle = circle_in(imported)
    assert not circle, " <- ".join(circle)


@pytest.mark.parametrize(
    ("line", "circle"),
    [
        ("from box.b import g", {"box.a", "box.b"}),
        ("import box.b", {"box.a", "box.b"}),
        ("def f():\n    from box import b", {"box.a", "box.b"}),
        ("from box import NAME", {"box", "box.a"}),
        ("from box.c import h", set()),
        ("import os", set()),
    ],
)
def test_circle_is_found(tmp_path, line, circle):
    (tmp_path / "box").mkdir()
    contents = {"__init__": "from box.a import f", "a": line}
    contents |= {"b": "import box.c\nimport box.a", "c": ""}
    for name, content in contents.items():
        (tmp_path / "box" / f"{name}.py").write_text(content)
    assert set(circle_in(imports_of(modules_of(tmp_path, ["box"])))) == circle
