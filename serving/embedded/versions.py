"""One loaded version and its life: counted while used, closed after its last use."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from serving.protos.tensors import Array


class State(enum.IntEnum):
    """ModelVersionStatus.State on the wire."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class VersionStatus:
    """What GetModelStatus says of a version; OK unless it failed to load."""

    version: int
    state: State
    code: grpc.StatusCode
    message: str


class LoadedModel(Protocol):
    """What the server needs of a loaded version; `session.SessionModel` is one.

    Attributes:
        signatures: SignatureDefMap of everything the model can be asked.
    """

    signatures: Any

    def run(
        self,
        feeds: Mapping[str, Array],
        fetches: Sequence[str],
        remaining_s: Callable[[], float | None],
    ) -> list[Array]:
        """Runs the model; called from many threads at once.

        Args:
            feeds: checked arrays by the tensor names of the signature.
            fetches: tensor names.
            remaining_s: the seconds that are left, None for no limit; raises where
                nobody waits for the answer any more.

        Returns:
            One array per fetch; strings as object arrays of `bytes`.

        Raises:
            ServingError: what the model refuses, and what `remaining_s` raises.
        """
        ...

    def close(self) -> None:
        """Frees what the model holds."""
        ...


class Servable:
    """A version with a count of the requests that use it."""

    def __init__(
        self, version: int, model: LoadedModel, on_closed: Callable[[Servable], None]
    ) -> None:
        """Owns `model` and closes it."""
        self.version = version
        self.model = model
        self._on_closed = on_closed
        self._lock = threading.Lock()
        self._uses = 1  # the manager's own, given up by `retire`

    def acquire(self) -> None:
        """Counts one user more."""
        with self._lock:
            self._uses += 1

    def release(self) -> None:
        """Counts one user less; the last one closes the model."""
        with self._lock:
            self._uses -= 1
            last = self._uses == 0
        if last:
            self.model.close()
            self._on_closed(self)

    def retire(self) -> None:
        """Gives up the manager's use: the model closes when its requests are done."""
        self.release()
