"""The embedded server: TensorFlow Serving's gRPC and REST APIs in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serving.embedded.options import ServerOptions
    from serving.embedded.server import EmbeddedServer


def __getattr__(name: str) -> Any:
    """Imports what is asked for, as the flags' help needs no TensorFlow."""
    if name == "ServerOptions":
        from serving.embedded.options import ServerOptions

        return ServerOptions
    if name == "EmbeddedServer":
        from serving.embedded.server import EmbeddedServer

        return EmbeddedServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["EmbeddedServer", "ServerOptions"]
