"""What cannot be written, in words for the user."""

import errno
import os
import re

import pytest

from formats.files.writing import writing


class ResultError(Exception):
    """What a program tells its user."""


class GraphError(Exception):
    """As TensorFlow tells of files: path, reason, and where in its graph."""

    def __init__(self, code):
        super().__init__("text")
        self.error_code = code
        self.message = "run/a.ckpt; No space left on device\n\t [[{{node Save}}]]"


def error(number):
    return OSError(number, os.strerror(number), "ignored")


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (error(errno.EACCES), "run: Permission denied; choose another"),
        (error(errno.ENOSPC), "run: No space left on device; make room"),
        (error(errno.EDQUOT), "run: Disk quota exceeded; make room"),
        (
            OSError("no number; nor reason"),
            "run: no number; nor reason; choose another",
        ),
        (GraphError(8), "run: No space left on device; make room"),
        (GraphError(7), "run: No space left on device; choose another"),
    ],
)
def test_reason_and_advice(cause, told):
    expected = pytest.raises(ResultError, match=f"^{re.escape(told)}$")
    with (
        expected as caught,
        writing(
            "run",
            ResultError,
            "choose another",
            when_full="make room",
            also=(GraphError,),
        ),
    ):
        raise cause
    assert caught.value.__cause__ is cause


def test_without_advice():
    with (
        pytest.raises(ResultError, match=r"^out: No space left on device$"),
        writing("out", ResultError),
    ):
        raise error(errno.ENOSPC)


def test_other_errors_pass():
    with pytest.raises(GraphError), writing("out", ResultError):
        raise GraphError(8)
