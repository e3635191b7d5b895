import pytest

from training.engine.stoppable import StoppableSamples
from training.errors import TrainingError


def test_samples_are_passed_on_until_the_training_stops():
    stopped = []
    samples = StoppableSamples(["a", "b"], lambda: bool(stopped))
    assert (len(samples), samples[1]) == (2, "b")
    stopped.append(True)
    with pytest.raises(TrainingError, match="the training was stopped"):
        samples[0]
    assert len(samples) == 2
