"""The requests that a version runs before it is offered, as TensorFlow Serving does.

They lie in `assets.extra/tf_serving_warmup_requests`: a TFRecord file of PredictionLog.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from serving.contract import WARMUP_ASSET
from serving.embedded.errors import invalid_argument
from serving.protos import PredictionLog

MAX_RECORDS = 1000
"""TensorFlow Serving refuses a model with more."""
_LENGTH = struct.Struct("<QI")  # length, masked crc32c of the length
_CRC_BYTES = 4


def warmup_requests(version_path: Path) -> list[Any]:
    """Returns the PredictRequests of a version; none when it has no warmup file.

    Raises:
        ServingError: the file is cut short, has more than `MAX_RECORDS` records, or
            holds something other than Predict requests.
    """
    path = version_path / "assets.extra" / WARMUP_ASSET
    if not path.exists():
        return []
    requests = []
    for index, record in enumerate(_records(path)):
        if index == MAX_RECORDS:
            raise invalid_argument(
                f"Number of warmup records exceeds the maximum ({MAX_RECORDS}): {path}"
            )
        try:
            log = PredictionLog.FromString(record)
        except DecodeError as err:
            raise invalid_argument(
                f"Failed to parse warmup record {index} from {path}"
            ) from err
        if log.WhichOneof("log_type") != "predict_log":
            raise invalid_argument(
                f"Unsupported log_type for warmup: record {index} of {path} is no "
                "predict_log"
            )
        requests.append(log.predict_log.request)
    return requests


def _records(path: Path) -> Iterator[bytes]:
    # The checksums are not compared: in plain Python that costs more than the warmup,
    # and damage shows as a record that does not parse or a request that fails.
    content = path.read_bytes()
    offset = 0
    while offset < len(content):
        start = offset + _LENGTH.size
        if start > len(content):
            raise invalid_argument(f"Warmup file is cut short: {path}")
        length, _ = _LENGTH.unpack_from(content, offset)
        offset = start + length + _CRC_BYTES
        if offset > len(content):
            raise invalid_argument(f"Warmup file is cut short: {path}")
        yield content[start : start + length]
