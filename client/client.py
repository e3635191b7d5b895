"""The client: pictures in, finished instances out."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from client.annotations import (
    AnnotationSource,
    MetaSource,
    check_size,
    outside_warnings,
    read_annotation,
    read_meta,
)
from client.answer import Detections
from client.channel import UNSET, Channel, RetryPolicy, Timeout, Unset, check_timeout
from client.errors import ClientError, ModeError
from client.image import ImageSource, Picture, load_picture
from client.modes import FullImage, Mode
from client.modes.rect import Rect
from client.remote_model import RemoteModel
from client.result import Result
from formats.meta import ProjectMeta
from serving.contract import ModelInfo

if TYPE_CHECKING:
    import grpc

    from client.config import InferenceConfig

    ConfigSource = str | PathLike[str] | Mapping[str, Any] | InferenceConfig
    Image = TypeVar("Image", bound=ImageSource)

logger = logging.getLogger(__name__)


class Client:
    """A connection to one model on TensorFlow Serving or the embedded server.

    Safe to use from several threads.
    """

    def __init__(
        self,
        address: str = "localhost:8500",
        *,
        config: ConfigSource | None = None,
        model_name: str = "mask_rcnn",
        version: int | None = None,
        timeout_s: float | None = 60.0,
        connect_timeout_s: float = 5.0,
        retry: RetryPolicy | None = None,
        channel_options: Sequence[tuple[str, Any]] = (),
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Connects and asks the server what the model is.

        Args:
            address: host and gRPC port of the server, or any target gRPC knows.
            config: an inference config, as file, content or object. Without one all
                classes come under the model's own names.
            model_name: the model's name on the server.
            version: the version to use, None for the server's choice.
            timeout_s: seconds for a whole call, retries included; None for no limit.
            connect_timeout_s: seconds for the server to appear.
            retry: how calls are repeated while the server is unavailable.
            channel_options: gRPC channel arguments; they win over the client's own.
            credentials: for TLS, as `grpc.ssl_channel_credentials` makes them.

        Raises:
            ConfigError: the config has problems.
            ConnectError: no server answered.
            ServerError: the server does not have this model.
            ContractError: the model is not one of this project's export.
            ValueError: a time that is not positive and finite, or a version that no
                server can have.
        """
        self._timeout_s = check_timeout(timeout_s)
        check_timeout(connect_timeout_s, "connect_timeout_s")
        self._mode, config_warnings = _read_config(config)
        self._told = set[str]()
        self._told_lock = threading.Lock()
        self._config_warnings = config_warnings
        self._channel = Channel(
            address,
            retry=retry or RetryPolicy(),
            options=channel_options,
            credentials=credentials,
        )
        try:
            self._model = RemoteModel(self._channel, model_name, version)
            self._channel.wait_ready(connect_timeout_s)
            self._warnings(self._model.fetch_info(timeout_s))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; calls under way fail."""
        self._channel.close()

    @property
    def model_version(self) -> int | None:
        """The version that answered last, None if the server does not tell."""
        return self._model.version

    def info(self, *, timeout_s: Timeout = UNSET) -> ModelInfo:
        """Asks the server what the model is.

        Raises:
            ClientError: no answer.
        """
        return self._model.fetch_info(self._timeout(timeout_s))

    def output_meta(self, meta: MetaSource | None = None) -> ProjectMeta:
        """Returns the classes and tags that annotations of this client may use.

        Args:
            meta: classes and tags that are there already: a `meta.json`, its content,
                or what this method returned.

        Raises:
            AnnotationError: the meta is not readable, or has names that the config
                gives to classes and tags of the model.
        """
        info = self._model.info(self._model.version)
        return self._output_meta(read_meta(meta), info)

    def _output_meta(self, given: ProjectMeta, info: ModelInfo) -> ProjectMeta:
        model = self._mode.selection.model_meta(info.classes)
        return self._mode.output_meta(given, model)

    def predict(
        self,
        image: ImageSource,
        *,
        annotation: AnnotationSource | None = None,
        meta: MetaSource | None = None,
        timeout_s: Timeout = UNSET,
    ) -> Result:
        """Finds the instances in a picture.

        Args:
            image: a path, a file's bytes, or uint8[H, W, 3] RGB.
            annotation: what is known of the picture: a Supervisely annotation file, or
                its content. The result has its objects and tags too.
            meta: the classes and tags of that annotation: a `meta.json`, its content,
                or a `ProjectMeta`.
            timeout_s: seconds for the whole call; None for no limit.

        Returns:
            Instances in the frame of the picture as people see it, EXIF applied.

        Raises:
            AnnotationError: annotation or meta are not readable, do not go with each
                other or the picture, or have names that the config gives to the model.
            ModeError: the config's mode cannot be applied to this picture.
            ImageError: the picture is not readable, or larger than the model takes.
            ConnectError: the server stayed unavailable.
            DeadlineError: no answer in time.
            ServerError: the server refused the picture, or failed.
            ContractError: the answer does not keep the serving contract.
            ValueError: `timeout_s` is no positive, finite number.
        """
        limit_s = self._timeout(timeout_s)
        known = self._model.info(self._model.version)
        given_meta = read_meta(meta)
        output_meta = self._output_meta(given_meta, known)
        limit = known.input.max_image_pixels if self._mode.sends_whole else None
        given = read_annotation(annotation, meta, output_meta)
        if given is None and self._mode.needs_annotation:
            raise ModeError("the mode needs the objects of an annotation, got none")
        picture = load_picture(image, limit)
        if given is not None:
            check_size(given, picture)
        call = _Call(self._model, limit_s)
        outcome = self._mode.run(picture, call, given.objects if given else ())
        info = self._model.info(call.version)
        return Result(
            entries=outcome.entries,
            image_size=picture.size,
            model_version=call.version,
            warnings=self._warnings(info) + outside_warnings(given),
            confidence_tag=self._mode.selection.tag_name,
            colors={c.id: c.color for c in info.classes},
            source=image,
            meta=self._output_meta(given_meta, info),
            given=given.content if given else {},
            tags=outcome.tags,
        )

    def predict_many(
        self,
        images: Iterable[Image],
        *,
        in_flight: int = 4,
        timeout_s: Timeout = UNSET,
    ) -> Iterator[tuple[Image, Result | ClientError]]:
        """Finds the instances in many pictures, several requests at a time.

        Args:
            images: pictures as `predict` takes them; read as they are needed.
            in_flight: how many are sent before the first answer is back; no more than
                that many pictures and results are held at a time.
            timeout_s: seconds for each picture; None for no limit.

        Yields:
            Each picture with its result, in their order; with the error where it
            failed, so that one bad picture does not stop the rest.
        """
        if in_flight < 1:
            raise ValueError(f"in_flight: expected >= 1, got {in_flight}")
        limit_s = self._timeout(timeout_s)
        pool = ThreadPoolExecutor(in_flight, thread_name_prefix="client")
        waiting: deque[tuple[Image, Future[Result | ClientError]]] = deque()
        try:
            for image in images:
                waiting.append((image, pool.submit(self._attempt, image, limit_s)))
                if len(waiting) >= in_flight:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _attempt(
        self, image: ImageSource, timeout_s: float | None
    ) -> Result | ClientError:
        try:
            return self.predict(image, timeout_s=timeout_s)
        except ClientError as err:
            return err

    def _timeout(self, timeout_s: Timeout) -> float | None:
        if isinstance(timeout_s, Unset):
            return self._timeout_s
        return check_timeout(timeout_s)

    def _warnings(self, info: ModelInfo) -> list[str]:
        """Returns what the config asks of the model in vain; each is logged once."""
        warnings = self._config_warnings + self._mode.selection.warnings(info)
        with self._told_lock:
            for text in warnings:
                if text not in self._told:
                    logger.warning("%s", text)
            self._told.update(warnings)
        return warnings


class _Call:
    """One call of `predict`: its deadline is shared by all that the mode sends."""

    def __init__(self, model: RemoteModel, timeout_s: float | None) -> None:
        self._model = model
        self._end = None if timeout_s is None else time.monotonic() + timeout_s
        self.version: int | None = None

    def detect(self, picture: Picture) -> Detections:
        """Returns what the model finds in a picture."""
        left = None if self._end is None else max(0.0, self._end - time.monotonic())
        detections = self._model.detect(picture, left)
        self.version = detections.version
        return detections

    def detect_crops(self, picture: Picture, crops: Sequence[Rect]) -> list[Detections]:
        """Returns what the model finds in each crop, in the frame of that crop."""
        pixels = picture.rgb()
        return [
            self.detect(
                Picture(
                    picture.name,
                    crop.size,
                    pixels=np.ascontiguousarray(
                        pixels[crop.top : crop.bottom, crop.left : crop.right]
                    ),
                )
            )
            for crop in crops
        ]


def _read_config(config: ConfigSource | None) -> tuple[Mode, list[str]]:
    if config is None:
        return FullImage(), []
    from client.config import InferenceConfig  # brings pydantic

    if not isinstance(config, InferenceConfig):
        config = InferenceConfig.load(config)
    return config.to_mode(), config.warnings()


__all__ = ["Client"]
