"""Tells when a package of another distribution stands where one of ours should.

The packages of this project have generic names. A folder called `client` or `models` in
the working directory, or another installed project, can take their place; an import
then fails far from its cause.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_SIBLINGS = ("client", "export", "formats", "models", "serving", "training")


class SiblingError(RuntimeError):
    """Another package stands where one of this project's should."""


def check_siblings(package: str) -> None:
    """Checks that the project's packages are found beside the given one.

    Args:
        package: the package whose program runs, "serving" for `python -m serving`.

    Raises:
        SiblingError: another package shadows a sibling; names both places.
    """
    root = _location(package)
    if root is None:
        raise SiblingError(f"package {package!r} is not importable")
    for name in _SIBLINGS:
        found = _location(name)
        if found is not None and found != root and (root / name).is_dir():
            raise SiblingError(
                f"package {name!r} of this project, expected in {root}, is shadowed by "
                f"{found / name}; run from another folder, or remove {found} from "
                "PYTHONPATH or the other project from this environment"
            )


def _location(name: str) -> Path | None:
    """Returns the folder that holds a package, None if there is no such package."""
    module = sys.modules.get(name)
    spec = module.__spec__ if module else importlib.util.find_spec(name)
    # A folder without __init__.py has no origin: Python takes it only where there is no
    # real package of that name, so it shadows nothing.
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin).resolve()
    return origin.parent.parent if origin.name == "__init__.py" else origin.parent
