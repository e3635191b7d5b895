"""A thin client of Mask R-CNN behind TensorFlow Serving; no TensorFlow here."""

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
from client.retry import RetryPolicy

if TYPE_CHECKING:
    from client.config import InferenceConfig as InferenceConfig

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
]


def __getattr__(name: str) -> Any:
    """Brings the inference config, and pydantic with it, when it is first asked for."""
    if name == "InferenceConfig":
        from client.config import InferenceConfig

        return InferenceConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
