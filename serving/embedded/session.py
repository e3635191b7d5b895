"""One loaded version of a model, run through TensorFlow's C++ SavedModel loader.

This is the road TensorFlow Serving takes (loader, then a session), so a model that runs
here runs there and fails with the same texts. The only module of the server that
imports TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf

from serving.embedded.errors import (
    ServingError,
    invalid_argument,
    not_found,
    status_code,
)
from serving.protos import SignatureDef, SignatureDefMap
from serving.protos.tensors import Array
from serving.version_dirs import SAVED_MODEL

_SERVE_TAG = "serve"
_PYTHON_PREFIX = "Graph execution error:\n\n"


class SessionModel:
    """A SavedModel in a session of its own.

    Attributes:
        signatures: SignatureDefMap of everything the model can be asked.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_batch_size: int,
        intra_op_threads: int = 0,
        inter_op_threads: int = 0,
    ) -> None:
        """Loads a version directory; 0 threads leaves the choice to TensorFlow.

        A request of more than `max_batch_size` rows runs in parts.

        Raises:
            ServingError: the directory holds no SavedModel that TensorFlow can load.
        """
        if not (path / SAVED_MODEL).exists():
            raise not_found(
                "Could not find SavedModel .pb at supplied export directory path: "
                f"{path}. Check that the directory exists and is readable."
            )
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=intra_op_threads,
            inter_op_parallelism_threads=inter_op_threads,
        )
        self._max_batch_size = max_batch_size
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        try:
            meta_graph = tf.compat.v1.saved_model.loader.load(
                self._session, [_SERVE_TAG], str(path)
            )
        except tf.errors.OpError as err:
            self._session.close()
            raise _from_op_error(err) from err
        except Exception as err:
            # The loader raises OSError, RuntimeError, ValueError and protobuf's own
            # error for the many ways in which a file can be broken.
            self._session.close()
            raise ServingError(grpc.StatusCode.UNKNOWN, str(err)) from err
        self.signatures = SignatureDefMap()
        for name, signature in meta_graph.signature_def.items():
            self.signatures.signature_def[name].CopyFrom(
                SignatureDef.FromString(signature.SerializeToString())
            )

    def run(
        self,
        feeds: Mapping[str, Array],
        fetches: Sequence[str],
        remaining_s: Callable[[], float | None],
    ) -> list[Array]:
        """Runs the graph, over `max_batch_size` rows at a time.

        Args:
            feeds: checked arrays by tensor name.
            fetches: tensor names.
            remaining_s: the seconds that are left, None for no limit; asked before
                each part, and raises where nobody waits for the rest.

        Returns:
            One array per fetch; strings as object arrays of `bytes`.

        Raises:
            ServingError: what the graph refused, with TensorFlow's code and text, and
                what `remaining_s` raises.
        """
        batched = all(array.ndim for array in feeds.values())
        rows = (
            max((len(array) for array in feeds.values()), default=0) if batched else 0
        )
        if rows <= self._max_batch_size:
            return self._run_once(feeds, fetches, remaining_s())
        parts = [
            self._run_once(
                {
                    name: array[start : start + self._max_batch_size]
                    for name, array in feeds.items()
                },
                fetches,
                remaining_s(),
            )
            for start in range(0, rows, self._max_batch_size)
        ]
        return [_join(values, rows) for values in zip(*parts, strict=True)]

    def _run_once(
        self,
        feeds: Mapping[str, Array],
        fetches: Sequence[str],
        timeout_s: float | None,
    ) -> list[Array]:
        options = None
        if timeout_s is not None:
            # 0 would mean no limit.
            left_ms = max(1, math.ceil(timeout_s * 1000))
            options = tf.compat.v1.RunOptions(timeout_in_ms=left_ms)
        try:
            values = self._session.run(list(fetches), dict(feeds), options=options)
        except tf.errors.OpError as err:
            raise _from_op_error(err) from err
        except UnicodeDecodeError as err:
            # TensorFlow quotes the request's bytes, and Python cannot read its text.
            raise invalid_argument(
                "the graph refused the request with a text that is no UTF-8: "
                + err.object.decode(errors="backslashreplace")
            ) from err
        # A scalar string comes back as bytes.
        return [
            np.array(v, dtype=object) if isinstance(v, bytes) else np.asarray(v)
            for v in values
        ]

    def close(self) -> None:
        """Frees the session and the variables it holds."""
        self._session.close()


def _join(parts: Sequence[Array], rows: int) -> Array:
    """Joins the values that one output has in the parts of a batch.

    Raises:
        ServingError: FAILED_PRECONDITION, the output has no row for each of the batch.
    """
    if any(part.ndim == 0 for part in parts):
        raise ServingError(
            grpc.StatusCode.FAILED_PRECONDITION,
            "Batched output tensor has 0 dimensions",
        )
    try:
        joined = np.concatenate(parts)
    except ValueError as err:
        raise ServingError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"Batched output tensors of the parts do not fit together: {err}",
        ) from err
    if len(joined) != rows:
        raise ServingError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"Batched output tensor: expected {rows} rows, got {len(joined)}",
        )
    return joined


def _from_op_error(err: tf.errors.OpError) -> ServingError:
    return ServingError(
        status_code(err.error_code), err.message.removeprefix(_PYTHON_PREFIX)
    )
