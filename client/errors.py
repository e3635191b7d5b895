"""Everything that a client call may raise, in one family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formats.errors import AnnotationFileError, ConfigFileError

if TYPE_CHECKING:
    import grpc


class ClientError(Exception):
    """A call that failed; the process and the client stay usable."""


class ConnectError(ClientError):
    """No server answers at the address, or it went away."""


class DeadlineError(ClientError):
    """No answer within the time allowed."""


class ServerError(ClientError):
    """The server refused or failed.

    Attributes:
        code: the gRPC status code.
        details: the server's own message.
    """

    def __init__(self, text: str, code: grpc.StatusCode, details: str) -> None:
        super().__init__(text)
        self.code = code
        self.details = details


class ContractError(ClientError):
    """A model or an answer that does not keep the serving contract."""


class ConfigError(ClientError, ConfigFileError):
    """An inference config with problems; `problems` lists them all."""


class AnnotationError(ClientError, AnnotationFileError):
    """An annotation or a meta that cannot be read or added to; see `problems`."""


class ModeError(ClientError):
    """An image that the config's mode cannot be applied to."""


class ImageError(ClientError):
    """An image that cannot be read, or that the model would refuse."""


class OutputError(ClientError):
    """Results that cannot be written, or would replace others."""
