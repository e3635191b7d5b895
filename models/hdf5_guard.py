"""Files that could end or hang the process that reads them are read in another first.

Damage of the files that Matterport and Keras 2 write, the HDF5 library reports. Damaged
objects of its newer format (of `libver="latest"`, or with tracked order) make it
corrupt its memory, and damaged attributes of variable length, as Keras 3 names layers
by, hang it. Files are looked through for the marks of both.
"""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path

from models.errors import WeightsError

NEWER_OBJECT = b"OHDR"
"""How an object of the newer format starts."""
VARIABLE_LENGTHS = b"GCOL"
"""How a store of values of variable length starts."""
KERAS_3_GROUP = b"vars\0"
"""The one group whose attributes are read."""
TIMEOUT_S = 120
_CODE = (
    "import sys; from models.hdf5_guard import try_reading; try_reading(sys.argv[1])"
)


def check_readable(path: Path, place: Path) -> None:
    """Refuses an HDF5 file whose reading ends or hangs a process.

    Args:
        path: what the error names.
        place: the same, or where its content was unpacked to.

    Raises:
        WeightsError: it does.
    """
    if not _is_risky(place):
        return
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CODE, str(place.absolute())],
            check=False,
            capture_output=True,
            timeout=TIMEOUT_S,
            # Python looks for modules in the working directory first.
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired as err:
        raise _refusal(path, f"does not end within {TIMEOUT_S} s") from err
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise _refusal(path, f"ends the process that does it ({name})")


def try_reading(place: str) -> None:
    """Reads all of an HDF5 file; errors are not told here."""
    import h5py

    from models.stored_arrays import list_arrays

    try:
        with h5py.File(place, "r") as file:
            contents = list_arrays(file, Path(place).stat().st_size)
            for stored in () if contents.problems else contents.arrays:
                file[stored.path][()]
    except Exception:  # noqa: BLE001
        # Who reads it next meets the same error and names it.
        return


def _refusal(path: Path, what: str) -> WeightsError:
    return WeightsError(
        str(path), [f"damaged HDF5 file: reading it {what}"], "Get the file once more."
    )


def _is_risky(place: Path) -> bool:
    with place.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(NEWER_OBJECT) >= 0:
                return True
            marks = (VARIABLE_LENGTHS, KERAS_3_GROUP)
            return all(content.find(mark) >= 0 for mark in marks)
