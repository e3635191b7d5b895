import pytest

from tests.hostile_reading import KINDS, run


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_wrong_is_told_clearly(kind):
    faults = {seed: text for seed in range(150) if (text := run(kind, seed))}
    assert faults == {}
