"""What a request is answered when it cannot be served."""

from __future__ import annotations

import grpc

MAX_MESSAGE_CHARS = 1024
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class ServingError(Exception):
    """A refusal with the status code and text that the caller gets.

    Attributes:
        code: gRPC status code; REST derives its HTTP status from it.
        message: one clear text, uncut.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SignatureNotFoundError(ServingError):
    """The model has no such signature; REST words it differently from gRPC."""

    def __init__(self, signature_name: str) -> None:
        super().__init__(
            grpc.StatusCode.FAILED_PRECONDITION,
            f'Serving signature key "{signature_name}" not found.',
        )
        self.signature_name = signature_name


def invalid_argument(message: str) -> ServingError:
    """Returns the error of a request that is wrong whatever the server's state."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """Returns the error of a model or version that isn't there."""
    return ServingError(grpc.StatusCode.NOT_FOUND, message)


def status_code(number: int) -> grpc.StatusCode:
    """Returns the gRPC status of a number; TensorFlow's error codes are the same."""
    return _CODES.get(number, grpc.StatusCode.UNKNOWN)


def wire_message(message: str) -> str:
    """Cuts a text as TensorFlow Serving does before it goes into a gRPC status."""
    if len(message) <= MAX_MESSAGE_CHARS:
        return message
    return message[:MAX_MESSAGE_CHARS] + "...TRUNCATED"
