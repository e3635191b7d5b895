"""A thin client of Mask R-CNN behind TensorFlow Serving; no TensorFlow here.

    from client import Client

    with Client("localhost:8500") as client:
        result = client.predict("street.jpg")
        for found in result:
            print(found.class_name, found.score, found.box)
        result.save("street_found.png")

`Client` sends images and returns a `Result`, which holds an `Instance` for each thing
that was found, and a `Region` for each part of the image that was saved.
`InferenceConfig` says which classes, names and parts of an image; `RetryPolicy` how
calls are repeated. What goes wrong is a `ClientError`. All else in this package is not
meant for others and may change.
"""

from typing import TYPE_CHECKING, Any

from client.client import Client
from client.errors import (
    AnnotationError,
    ClientError,
    ConfigError,
    ConnectError,
    ContractError,
    DeadlineError,
    ImageError,
    ModeError,
    ServerError,
)
from client.instance import Instance, Region
from client.result import Result
from client.transport.retry import RetryPolicy

if TYPE_CHECKING:
    from client.config.inference_config import InferenceConfig as InferenceConfig

    __version__: str

__all__ = [
    "AnnotationError",
    "Client",
    "ClientError",
    "ConfigError",
    "ConnectError",
    "ContractError",
    "DeadlineError",
    "ImageError",
    "InferenceConfig",
    "Instance",
    "ModeError",
    "Region",
    "Result",
    "RetryPolicy",
    "ServerError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Brings what is slow to import when it is first asked for."""
    if name == "InferenceConfig":
        from client.config.inference_config import InferenceConfig

        return InferenceConfig
    if name == "__version__":
        from serving.program_version import program_version

        return program_version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
