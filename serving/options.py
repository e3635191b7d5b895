"""`serving.embedded` has what was here; this name goes with the next release."""

import warnings

from serving.embedded import ServerOptions

warnings.warn(
    "serving.options is now serving.embedded: import ServerOptions from there",
    DeprecationWarning,
    stacklevel=2,
)

__all__ = ["ServerOptions"]
