from __future__ import annotations

import struct

import pytest

from serving.embedded.errors import ServingError
from serving.embedded.warmup import MAX_RECORDS, warmup_requests
from serving.protos import PredictionLog, PredictRequest


def _log(index):
    request = PredictRequest()
    request.model_spec.signature_name = str(index)
    return PredictionLog(predict_log={"request": request}).SerializeToString()


def _record(content):
    return struct.pack("<QI", len(content), 0) + content + bytes(4)


@pytest.fixture
def warmup_file(tmp_path):
    folder = tmp_path / "assets.extra"
    folder.mkdir()
    return folder / "tf_serving_warmup_requests"


def test_no_file_no_requests(tmp_path):
    assert warmup_requests(tmp_path) == []


def test_requests_in_their_order(warmup_file, tmp_path):
    warmup_file.write_bytes(b"".join(_record(_log(i)) for i in range(3)))
    names = [r.model_spec.signature_name for r in warmup_requests(tmp_path)]
    assert names == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (_record(_log(0))[:-1], "cut short"),
        (b"\x01", "cut short"),
        (struct.pack("<QI", 2**60, 0), "cut short"),
        (_record(b"\xff\xff"), "Failed to parse warmup record 0"),
        (_record(b""), "Unsupported log_type for warmup: record 0"),
        (_record(_log(0)) * (MAX_RECORDS + 1), "exceeds the maximum"),
    ],
)
def test_files_that_are_refused(warmup_file, tmp_path, content, text):
    warmup_file.write_bytes(content)
    with pytest.raises(ServingError, match=text) as caught:
        warmup_requests(tmp_path)
    assert caught.value.code.name == "INVALID_ARGUMENT"
