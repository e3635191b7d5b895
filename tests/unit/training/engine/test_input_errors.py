import pytest
import tensorflow as tf

from training.engine.input_errors import data_error
from training.errors import DatasetError, TrainingError


def test_what_a_data_set_said_is_taken_out_of_the_traceback():
    text = "DatasetError: a.png: damaged\nTraceback (most recent call last):\n ..."
    error = data_error(tf.errors.UnknownError(None, None, text))
    assert isinstance(error, DatasetError)
    assert str(error) == "a.png: damaged"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (tf.errors.ResourceExhaustedError, "out of memory: OOM; use a smaller batch"),
        (tf.errors.InternalError, "TensorFlow failed: OOM; --debug"),
    ],
)
def test_other_errors_are_one_line(kind, text):
    error = data_error(kind(None, None, "OOM\n\t [[{{node x}}]]"))
    assert type(error) is TrainingError
    assert str(error).startswith(text)
    assert "\n" not in str(error)
