"""The client: images in, finished instances out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from client.annotations import (
    AnnotationSource,
    MetaSource,
    check_annotated_size,
    given_annotation,
    outside_objects,
    read_meta,
)
from client.call import Call, Limits
from client.errors import ClientError, ContractError, ModeError
from client.image import ImageSource, LoadedImage, load_image, whole_source
from client.modes.base import Given, Mode, Outcome
from client.modes.full_image import FullImage
from client.pipeline import in_order
from client.result import Result
from client.transport.address import check_address
from client.transport.channel import Channel
from client.transport.remote_model import RemoteModel
from client.transport.retry import UNSET, RetryPolicy, Timeout, Unset, check_timeout
from client.transport.served_model import ServedModel
from formats.supervisely.meta import ProjectMeta
from serving.contract import ModelInfo

if TYPE_CHECKING:
    import grpc

    from client.config.inference_config import InferenceConfig

    ConfigSource = str | PathLike[str] | Mapping[str, Any] | InferenceConfig
    Image = TypeVar("Image", bound=ImageSource)

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often an image whose parts were seen by several versions is sent."""


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
        server_wait_s: float = 300.0,
        retry: RetryPolicy | None = None,
        channel_options: Sequence[tuple[str, Any]] = (),
        credentials: grpc.ChannelCredentials | None = None,
        batch_size: int = 8,
        requests_in_flight: int = 4,
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
            server_wait_s: seconds that a server which exists is waited for: while it
                loads the model, and in a call since its last answer.
            retry: how calls are repeated while the server is unavailable.
            channel_options: gRPC channel arguments; they win over the client's own.
            credentials: for TLS, as `grpc.ssl_channel_credentials` makes them.
            batch_size: parts of an image that go in one request, where the config's
                mode sends parts; more than the server takes at once is no use.
            requests_in_flight: such requests under way at a time.

        Raises:
            ConfigError: the config has problems.
            ConnectError: no server answered.
            ServerError: the server does not have this model.
            ContractError: the model is not one of this project's export.
            ValueError: an address that is none or has no port, a time that is not
                positive and finite, a version that no server can have, or a number of
                requests or images below 1.
        """
        self._limits = Limits(batch_size, requests_in_flight)
        self._pool = ThreadPoolExecutor(requests_in_flight, "client-request")
        self._timeout_s = check_timeout(timeout_s)
        check_timeout(connect_timeout_s, "connect_timeout_s")
        if check_timeout(server_wait_s, "server_wait_s") is None:
            raise ValueError("server_wait_s: expected a number of seconds, got None")
        check_address(address)
        self._mode, config_warnings = _read_config(config)
        self._told = set[str]()
        self._told_lock = threading.Lock()
        self._config_warnings = config_warnings
        self._channel = Channel(
            address,
            retry=retry or RetryPolicy(),
            server_wait_s=server_wait_s,
            options=channel_options,
            credentials=credentials,
        )
        try:
            self._model = RemoteModel(self._channel, model_name, version)
            self._channel.wait_ready(connect_timeout_s)
            self._warnings(self._model.fetch_info(timeout_s, server_wait_s))
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
        self._pool.shutdown(wait=False, cancel_futures=True)

    def stop_waiting(self) -> None:
        """Lets calls end that the server does not take; those that it has go on."""
        self._channel.end_repeats()

    @property
    def is_closed(self) -> bool:
        """Says whether `close` was called."""
        return self._channel.is_closed

    def is_answering(self, timeout_s: float = 5.0) -> bool:
        """Asks whether a server answers at the address, whatever it says."""
        return self._channel.is_answering(timeout_s)

    @property
    def silent_s(self) -> float:
        """Seconds since the server last answered."""
        return self._channel.silent_s

    @property
    def model_version(self) -> int | None:
        """The version that answered last, None if the server does not tell."""
        return self._model.version

    def info(self, *, timeout_s: Timeout = UNSET) -> ServedModel:
        """Asks the server what the model is, and which version of it is served.

        Raises:
            ClientError: no answer.
        """
        info = self._model.fetch_info(self._timeout(timeout_s))
        return ServedModel.of(info, self._model.version)

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
        """Finds the instances in an image.

        Args:
            image: a path, a file's bytes, a file opened in binary mode, a PIL image, or
                uint8[H, W, 3] RGB.
            annotation: what is known of the image: a Supervisely annotation file, or
                its content. The result has its objects and tags too.
            meta: the classes and tags of that annotation: a `meta.json`, its content,
                or a `ProjectMeta`.
            timeout_s: seconds for the whole call; None for no limit.

        Returns:
            Instances in the frame of the image as people see it, EXIF applied.

        Raises:
            AnnotationError: annotation or meta are not readable, do not go with each
                other or the image, or have names that the config gives to the model.
            ModeError: the config's mode cannot be applied to this image.
            ImageError: the image is not readable, or larger than the model takes.
            ConnectError: the server stayed unavailable.
            DeadlineError: no answer in time.
            ServerError: the server refused the image, or failed.
            ContractError: the answer does not keep the serving contract.
            ValueError: `timeout_s` is no positive, finite number.
        """
        limit_s = self._timeout(timeout_s)
        known = self._model.info(self._model.version)
        given_meta = read_meta(meta)
        given = given_annotation(annotation, meta, self._output_meta(given_meta, known))
        if given is None and self._mode.needs_annotation:
            raise ModeError("the mode needs the objects of an annotation, got none")
        limit = known.input.max_image_pixels if self._mode.sends_whole else None
        image = whole_source(image)
        loaded = load_image(image, limit)
        if given is not None:
            check_annotated_size(given, loaded)
        objects = given.objects if given else ()
        outcome, version = self._run(loaded, objects, limit_s)
        info = self._model.info(version)
        dropped = outside_objects(given)
        texts = [text for entry in dropped.values() for text in entry.texts]
        return Result(
            entries=outcome.entries,
            image_size=loaded.size,
            model_version=version,
            warnings=[*self._warnings(info, given_meta), *texts],
            dropped=dropped,
            confidence_tag=self._mode.selection.tag_name,
            colors={c.id: c.color for c in info.classes},
            source=image,
            meta=self._output_meta(given_meta, info),
            given=given.content if given else {},
            tags=outcome.tags,
        )

    def _run(
        self, image: LoadedImage, given: Given, timeout_s: float | None
    ) -> tuple[Outcome, int | None]:
        """Applies the mode; again if versions of the model took turns meanwhile."""
        pixels = self._model.info(self._model.version).input.max_image_pixels
        end = None if timeout_s is None else time.monotonic() + timeout_s
        crops = self._mode.plan(image.size, given)
        for _ in range(ATTEMPTS):
            left = None if end is None else max(0.0, end - time.monotonic())
            call = Call(self._model, self._pool, self._limits, pixels, left)
            if self._mode.sends_whole:
                found = [call.detect(image)]
            else:
                found = call.detect_crops(image, crops)
            if len(call.versions) <= 1:
                answers = list(zip(crops, found, strict=True))
                outcome = self._mode.merge(answers, image.size, given)
                # Where nothing had to be asked, no version answered.
                return outcome, next(iter(call.versions), self._model.version)
        raise ContractError(
            f"{image.name}: expected answers of one version of the model, got "
            f"{sorted(map(str, call.versions))} in each of {ATTEMPTS} attempts; name "
            "the version to use"
        )

    def predict_many(
        self,
        images: Iterable[Image],
        *,
        in_flight: int = 4,
        timeout_s: Timeout = UNSET,
    ) -> Iterator[tuple[Image, Result | ClientError]]:
        """Finds the instances in many images, several requests at a time.

        Args:
            images: images as `predict` takes them; read as they are needed.
            in_flight: how many are sent before the first answer is back; no more than
                that many images and results are held at a time.
            timeout_s: seconds for each image; None for no limit.

        Yields:
            Each image with its result, in their order; with the error where it
            failed, so that one bad image does not stop the rest.
        """
        limit_s = self._timeout(timeout_s)
        yield from in_order(
            lambda image: self._attempt(image, limit_s), images, in_flight
        )

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

    def _warnings(self, info: ModelInfo, meta: ProjectMeta | None = None) -> list[str]:
        """Returns what the config asks for in vain; each is logged once."""
        warnings = self._config_warnings + self._mode.selection.warnings(info)
        if meta is not None:
            warnings += self._mode.warnings(meta)
        with self._told_lock:
            for text in warnings:
                if text not in self._told:
                    logger.warning("%s", text)
            self._told.update(warnings)
        return warnings


def _read_config(config: ConfigSource | None) -> tuple[Mode, list[str]]:
    if config is None:
        return FullImage(), []
    from client.config.inference_config import InferenceConfig  # brings pydantic

    if not isinstance(config, InferenceConfig):
        config = InferenceConfig.load(config)
    return config.to_mode(), config.warnings()
