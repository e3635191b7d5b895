"""Archives, folders and pictures from strangers end in a result or in a FormatError."""

import pytest

from tests.hostile_files import KINDS, run

COUNT = 60
"""Inputs of each kind; `python -m tests.hostile_files 20000` makes more."""


@pytest.mark.parametrize("kind", KINDS)
def test_ends_in_a_result_or_a_typed_error(kind, capfd):
    assert [text for seed in range(COUNT) if (text := run(kind, seed))] == []
    capfd.readouterr()
