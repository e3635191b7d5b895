"""A full disk, for tests."""

import contextlib
import resource


@contextlib.contextmanager
def longest_file(size):
    """Makes writing a file fail beyond a size in bytes, in C libraries too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
