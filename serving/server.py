"""`serving.embedded` has what was here; this name goes with the next release."""

import warnings

from serving.embedded import EmbeddedServer

warnings.warn(
    "serving.server is now serving.embedded: import EmbeddedServer from there",
    DeprecationWarning,
    stacklevel=2,
)

__all__ = ["EmbeddedServer"]
