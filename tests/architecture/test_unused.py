"""Nothing is defined that only tests use, and no function fills its caller's list."""

import ast
from collections import Counter
from pathlib import Path

import jinja2
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("client", "export", "formats", "maskrcnn", "models", "serving", "training")
USERS = (*PACKAGES, "benchmarks", "examples")
USED_FROM_OUTSIDE = {
    # Documented for those who import the client.
    "mask_origin",
    "predict_many",
    "to_meta",
    # Documented for those who read the data of a training.
    "open_coco_splits",
    "open_project_splits",
    # Fields of files, read and written as a whole.
    "ap_large",
    "ap_medium",
    "ap_small",
    "ar",
    "contract_version",
    "gpu_device",
    # Called by asyncio, aiohttp and Keras.
    "_all_reduce_sum_gradients",
    "eof_received",
    "get_config",
    "handle_error",
    # Run by a process of its own.
    "try_reading",
}


def trees(packages):
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def named_by(node):
    """Returns the names that a statement of a module or of a class defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        # Pydantic calls what is decorated as a validator.
        decorators = [ast.unparse(entry) for entry in node.decorator_list]
        return [] if any("validator(" in d for d in decorators) else [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def definitions(tree):
    """Yields (name, line) of what a module and its classes define."""
    bodies = [tree.body]
    bodies += [n.body for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    for node in (node for body in bodies for node in body):
        for name in named_by(node):
            if not name.startswith("__") and name != "model_config":
                yield name, node.lineno


@pytest.fixture(scope="module")
def read_names():
    found = Counter()
    for _, tree in trees(USERS):
        for node in ast.walk(tree):
            if isinstance(getattr(node, "ctx", None), ast.Load):
                found[getattr(node, "id", getattr(node, "attr", ""))] += 1
    parse = jinja2.Environment().parse
    for path in (ROOT / "formats" / "report" / "templates").glob("*.html"):
        found.update(
            n.attr for n in parse(path.read_text()).find_all(jinja2.nodes.Getattr)
        )
    return found


def test_everything_is_used(read_names):
    unused = [
        f"{path}:{line} {name}"
        for path, tree in trees(PACKAGES)
        for name, line in definitions(tree)
        if not read_names[name] and name not in USED_FROM_OUTSIDE
    ]
    assert not unused


def test_what_is_used_from_outside_is_there_and_used_nowhere_else(read_names):
    defined = {name for _, tree in trees(PACKAGES) for name, _ in definitions(tree)}
    assert defined >= USED_FROM_OUTSIDE
    assert not [name for name in USED_FROM_OUTSIDE if read_names[name]]


def test_problems_are_returned_and_not_filled_in():
    filled = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in trees(PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.arg == "problems"
        and ast.unparse(argument.annotation).startswith(("list", "ProblemList"))
    ]
    assert not filled
