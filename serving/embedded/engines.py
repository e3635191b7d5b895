"""What can run a model: one factory of a `LoadedModel` for each engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from serving.embedded.options import ServerOptions
from serving.embedded.versions import LoadedModel

Engine = Callable[[Path, ServerOptions], LoadedModel]
"""Loads a version directory; raises ServingError where it cannot."""


def _tensorflow() -> Engine:
    from serving.embedded.session import SessionModel

    def load(path: Path, options: ServerOptions) -> LoadedModel:
        return SessionModel(
            path,
            max_batch_size=options.max_batch_size,
            intra_op_threads=options.intra_op_threads,
            inter_op_threads=options.inter_op_threads,
        )

    return load


ENGINES: dict[str, Callable[[], Engine]] = {"tensorflow": _tensorflow}
"""Name -> what imports the engine, as a server needs only its own installed."""
