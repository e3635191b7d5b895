"""Which version of a model is served: watches the base path and rolls versions.

The newest version directory is served. A newer one is loaded and warmed while the old
one serves; then new requests go to it, and the old one is let go when the last request
that runs on it is done. A version that fails to load changes nothing but its status.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from serving.embedded.errors import ServingError, invalid_argument, not_found
from serving.embedded.storage import find_models, fingerprint
from serving.embedded.versions import LoadedModel, Servable, State, VersionStatus
from serving.version_dirs import list_versions

logger = logging.getLogger(__name__)

_REPEAT_LOG_S = 60.0
_MAX_STATUSES = 100
"""Ended versions beyond this many are forgotten, so that years of rolling fit."""


class ModelManager:
    """Serves the newest version below one base path."""

    def __init__(
        self,
        name: str,
        base_path: Path,
        load: Callable[[Path], LoadedModel],
        *,
        poll_wait_s: float = 1.0,
        retry_wait_s: float = 60.0,
    ) -> None:
        """Prepares; nothing is read before `start`.

        Args:
            name: the model's name on the wire.
            base_path: directory of version directories; may appear later.
            load: loads and warms a version directory, raises ServingError.
            poll_wait_s: seconds between looks at the base path; 0 looks once.
            retry_wait_s: seconds before an unchanged broken version is tried again.
        """
        self.name = name
        self._base_path = base_path
        self._load = load
        self._poll_wait_s = poll_wait_s
        self._retry_wait_s = retry_wait_s
        self._changed = threading.Condition()
        self._current: Servable | None = None
        self._statuses: dict[int, VersionStatus] = {}
        self._failure: tuple[object, float] | None = None
        self._waiting_logged = float("-inf")
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, name="versions", daemon=True
        )

    @property
    def available(self) -> bool:
        """Whether a version is being served."""
        return self._current is not None

    def start(self) -> None:
        """Begins to watch the base path, in a thread of its own.

        From here on the version to be loaded has a status, so that who asks early is
        told that it comes, and not that there is no such model.
        """
        with contextlib.suppress(OSError):
            if versions := list_versions(self._base_path):
                self._set_status(max(versions), State.START)
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Stops watching and lets the current version go once its requests are done.

        Returns:
            False if a version was still being loaded when time ran out.
        """
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._replace(None)
        return not self._thread.is_alive()

    def wait_available(self, timeout_s: float, version: int | None = None) -> bool:
        """Waits until any or a given version is served; False if time ran out."""

        def served() -> bool:
            current = self._current
            return current is not None and version in (None, current.version)

        with self._changed:
            return self._changed.wait_for(served, timeout_s)

    @contextmanager
    def lease(self, model_spec: Any) -> Iterator[Servable]:
        """Holds the version that a ModelSpec asks for while a request uses it.

        Raises:
            ServingError: no such model or version is served, or a label was asked for.
        """
        if not model_spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        if model_spec.WhichOneof("version_choice") == "version_label":
            raise invalid_argument(
                f"Unrecognized servable version label: {model_spec.version_label}"
            )
        version = wanted_version(model_spec)
        with self._changed:
            servable = self._current
            if (
                servable is None
                or model_spec.name != self.name
                or version not in (None, servable.version)
            ):
                wanted = (
                    f"Latest({model_spec.name})"
                    if version is None
                    else f"Specific({model_spec.name}, {version})"
                )
                raise not_found(f"Servable not found for request: {wanted}")
            # Under the manager's lock, so a version about to be replaced is not taken.
            servable.acquire()
        try:
            yield servable
        finally:
            servable.release()

    def statuses(self) -> list[VersionStatus]:
        """Returns the state of every version seen, newest first."""
        with self._changed:
            return sorted(self._statuses.values(), key=lambda s: -s.version)

    def poll(self) -> None:
        """Looks at the base path once and acts on what changed."""
        try:
            versions = list_versions(self._base_path)
        except OSError as err:
            # The served version stays: a mount that hangs for a while is no order.
            self._log_waiting(
                f"{self._base_path}: {err.strerror or err}; waiting for it"
            )
            return
        if not versions:
            if self._current is not None:
                logger.warning("no version left in %s", self._base_path)
                self._replace(None)
            self._log_waiting(
                f"no version in {self._base_path} yet; waiting for one"
                + self._other_models()
            )
            return
        target = max(versions)
        if self._current is None or self._current.version != target:
            self._try_load(target, versions[target])

    def _other_models(self) -> str:
        try:
            models = find_models(self._base_path)
        except OSError:
            return ""
        if not models:
            return ""
        return f" (there are versions in {models[0]}: is that the --model-base-path?)"

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                self.poll()
            except Exception:
                logger.exception("looking at %s failed", self._base_path)
            if self._poll_wait_s == 0:
                return
            self._stopping.wait(self._poll_wait_s)

    def _try_load(self, version: int, path: Path) -> None:
        seen = (version, fingerprint(path))
        if self._failure is not None:
            failed, failed_at = self._failure
            if failed == seen and time.monotonic() - failed_at < self._retry_wait_s:
                return
        self._set_status(version, State.START)
        self._set_status(version, State.LOADING)
        logger.info("loading version %d of %s from %s", version, self.name, path)
        started = time.monotonic()
        try:
            model = self._load(path)
        except ServingError as err:
            self._on_failure(seen, err)
            return
        except Exception as err:
            # Whatever a version holds, the old one keeps serving.
            logger.exception("loading version %d failed", version)
            text = f"{type(err).__name__}: {err}"
            self._on_failure(seen, ServingError(grpc.StatusCode.INTERNAL, text))
            return
        self._failure = None
        self._replace(Servable(version, model, self._on_closed))
        logger.info("version %d available, %.1f s", version, time.monotonic() - started)

    def _on_failure(self, seen: tuple[int, object], err: ServingError) -> None:
        version, _ = seen
        self._failure = (seen, time.monotonic())
        self._set_status(version, State.END, err.code, err.message)
        logger.error("version %d did not load: %s", version, err.message)
        if self._current is not None:
            logger.warning("version %d keeps serving", self._current.version)

    def _replace(self, servable: Servable | None) -> None:
        with self._changed:
            old, self._current = self._current, servable
            if servable is not None:
                self._set_status(servable.version, State.AVAILABLE)
            if old is not None:
                self._set_status(old.version, State.UNLOADING)
            self._changed.notify_all()
        if old is not None:
            old.retire()

    def _on_closed(self, servable: Servable) -> None:
        logger.info("version %d unloaded", servable.version)
        with self._changed:
            current = self._current
            # Removed and put back, a version may be served anew by now.
            if current is None or current.version != servable.version:
                self._set_status(servable.version, State.END)

    def _set_status(
        self,
        version: int,
        state: State,
        code: grpc.StatusCode = grpc.StatusCode.OK,
        message: str = "",
    ) -> None:
        with self._changed:
            self._statuses.pop(version, None)
            self._statuses[version] = VersionStatus(version, state, code, message)
            ended = [v for v, s in self._statuses.items() if s.state is State.END]
            for old in ended[:-_MAX_STATUSES]:
                del self._statuses[old]

    def _log_waiting(self, text: str) -> None:
        now = time.monotonic()
        if now - self._waiting_logged >= _REPEAT_LOG_S:
            self._waiting_logged = now
            logger.warning("%s", text)


def wanted_version(model_spec: Any) -> int | None:
    """Returns the version that a ModelSpec names, None for the newest.

    An explicit 0 is the newest too: versions are positive, and OpenVINO's client sends
    0 where it was given none.
    """
    return model_spec.version.value or None
