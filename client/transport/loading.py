"""Waits for a model that its server is still loading."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import grpc

from client.errors import ConnectError, DeadlineError, ServerError
from client.transport.channel import GET_MODEL_STATUS, Channel
from client.transport.retry import Budget
from serving.plain_text import visible
from serving.protos import GetModelStatusRequest, ModelSpec, ModelVersionStatus

logger = logging.getLogger(__name__)

POLL_S = 0.5
"""Seconds between two questions whether a version is loaded."""
RACES = 3
"""How often a version may be gone between two questions, and be there after all."""
MOST_PROBLEMS = 3
"""Versions that did not load, which a message lists."""

Answer = TypeVar("Answer")


class Versions(NamedTuple):
    """The versions of a model, in short.

    Attributes:
        available: one is served.
        loading: one that is on its way, None if none is.
        problem: why none was loaded, "" unless all failed.
    """

    available: bool = False
    loading: int | None = None
    problem: str = ""


def read_status(response: Any) -> Versions:
    """Reads a GetModelStatusResponse."""
    statuses = response.model_version_status
    states = ModelVersionStatus
    loading = [s.version for s in statuses if s.state in (states.START, states.LOADING)]
    broken = [s for s in statuses if s.state == states.END and s.status.error_code]
    told = "; ".join(
        f"{s.version}: {visible(s.status.error_message)}"
        for s in broken[:MOST_PROBLEMS]
    )
    return Versions(
        available=any(s.state == states.AVAILABLE for s in statuses),
        loading=max(loading, default=None),
        problem=told if len(broken) == len(statuses) else "",
    )


def model_spec(name: str, version: int | None, signature: str = "") -> Any:
    """Returns the ModelSpec of a request; no version is the newest."""
    spec = ModelSpec(name=name, signature_name=signature)
    if version is not None:
        spec.version.value = version
    return spec


class Loading:
    """One model's state on a server; safe to use from several threads."""

    def __init__(self, channel: Channel, name: str, version: int | None) -> None:
        self._channel = channel
        self._spec = model_spec(name, version)
        self._where = f"{channel.address}: model {name}"
        self._lock = threading.Lock()
        self._told: int | None = None

    def ask(self, question: Callable[[], Answer], wait: Budget) -> Answer:
        """Asks; again once the model is loaded, if it is being loaded.

        Args:
            question: raises a ServerError of NOT_FOUND where the model is not there.
            wait: the time for loading.

        Raises:
            ConnectError: the model was not loaded in time.
            ServerError: the server does not have it, or cannot load it; whatever else
                the question raises.
        """
        for race in range(RACES + 1):
            try:
                return question()
            except ServerError as err:
                if err.code is not grpc.StatusCode.NOT_FOUND:
                    raise
                versions = self._wait(wait)
                if versions.problem:
                    raise ServerError(
                        f"{self._where} does not load: version {versions.problem}",
                        err.code,
                        err.details,
                    ) from err
                if not versions.available or race == RACES:
                    raise
        raise AssertionError  # the last round returns or raises

    def _wait(self, wait: Budget) -> Versions:
        """Returns what the server says once it loads nothing any more."""
        while True:
            versions = self._versions(wait)
            text = f"{self._where}: version {versions.loading} is loading"
            self._tell(versions.loading, text)
            if versions.available or versions.loading is None:
                return versions
            left = wait.repeats_left_s()
            if left <= 0 or self._channel.pause(min(POLL_S, left)):
                raise ConnectError(f"{text}, and was not ready in time")

    def _tell(self, version: int | None, text: str) -> None:
        """Logs once, for all threads, that a version is being loaded."""
        with self._lock:
            is_new, self._told = version not in (None, self._told), version
        if is_new:
            logger.info("%s", text)

    def _versions(self, wait: Budget) -> Versions:
        request = GetModelStatusRequest(model_spec=self._spec)
        what = f"{self._where.partition(': ')[2]}, its status"
        try:
            answer = self._channel.call(GET_MODEL_STATUS, request, wait, what=what)
        except ServerError:  # it knows no such model, or tells no status
            return Versions()
        except DeadlineError as err:
            text = f" is not there, or not yet: {err}"
            if self._told is not None:
                text = f": version {self._told} is loading, and was not ready in time"
            raise ConnectError(f"{self._where}{text}") from err
        return read_status(answer)
