"""Which weight file a folder stands for."""

from __future__ import annotations

from pathlib import Path

from models.errors import WeightsError
from models.stored_arrays import printable

CHECKPOINT_WEIGHTS = Path("model_weights", "model.h5")
"""Where a checkpoint's folder has its weights."""
CHECKPOINTS, BEST = "checkpoints", "best"
_ENDINGS = frozenset({".h5", ".hdf5", ".keras"})
_ADVICE = (
    "Name a weight file, a checkpoint's folder (run/checkpoints/best), or a training's "
    "folder, whose best checkpoint is taken."
)


def find_weights(path: Path) -> Path:
    """Returns the weight file of what a user names.

    Args:
        path: a file, which is returned as it is; the folder of a checkpoint; the folder
            of a training or its `checkpoints`, whose best one is taken; or a folder
            with one weight file in it.

    Raises:
        WeightsError: the folder holds none or several of them.
    """
    if not path.is_dir():
        return path
    for place in (
        CHECKPOINT_WEIGHTS,
        Path(BEST) / CHECKPOINT_WEIGHTS,
        Path(CHECKPOINTS, BEST) / CHECKPOINT_WEIGHTS,
    ):
        if (path / place).is_file():
            return path / place
    try:
        found = sorted(
            entry
            for entry in path.iterdir()
            if entry.suffix.lower() in _ENDINGS and entry.is_file()
        )
    except OSError as err:
        raise WeightsError(
            str(path), [f"cannot be read: {err.strerror}"], _ADVICE
        ) from err
    if len(found) == 1:
        return found[0]
    raise WeightsError(str(path), [_told(path, found)], _ADVICE)


def _told(path: Path, found: list[Path]) -> str:
    if found:
        listed = ", ".join(printable(entry.name) for entry in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        return f"is a folder with {len(found)} weight files: {listed}{more}"
    numbered = _checkpoints(path) or _checkpoints(path / CHECKPOINTS)
    if numbered:
        return f"is a folder of checkpoints without a best one: {', '.join(numbered)}"
    if (path / "saved_model.pb").is_file():
        return "is a SavedModel, which exports make from weights"
    return "is a folder without weights"


def _checkpoints(folder: Path) -> list[str]:
    """Returns the first and the last checkpoint of a folder."""
    names = sorted(
        entry.parent.parent.name for entry in folder.glob(f"*/{CHECKPOINT_WEIGHTS}")
    )
    return [printable(name) for name in sorted({*names[:1], *names[-1:]})]
