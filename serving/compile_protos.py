"""Regenerates `protos/messages.binpb` from the `.proto` files beside it.

`python -m serving.compile_protos` writes the file; `--check` only compares. Needs
`grpcio-tools` (in the `dev` extra); nothing else in the project does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

FOLDER = Path(__file__).parent / "protos"
DESCRIPTOR_FILE = FOLDER / "messages.binpb"
SOURCES = (
    "tensorflow.proto",
    "tensorflow_error.proto",
    "tensorflow_serving.proto",
    "grpc_health.proto",
)


def compile_descriptors() -> bytes:
    """Returns the serialised FileDescriptorSet of all `.proto` files, imports included.

    Raises:
        RuntimeError: protoc refused a file.
    """
    from grpc_tools import protoc

    well_known = str(files("grpc_tools") / "_proto")
    with tempfile.TemporaryDirectory() as out:
        target = Path(out) / "messages.binpb"
        code = protoc.main(
            [
                "protoc",
                f"-I{FOLDER}",
                f"-I{well_known}",
                "--include_imports",
                f"--descriptor_set_out={target}",
                *SOURCES,
            ]
        )
        if code != 0:
            raise RuntimeError(f"protoc ended with exit code {code}")
        return target.read_bytes()


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m serving.compile_protos")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    args = parser.parse_args(argv)
    compiled = compile_descriptors()
    if not args.check:
        DESCRIPTOR_FILE.write_bytes(compiled)
        return 0
    if DESCRIPTOR_FILE.read_bytes() != compiled:
        sys.stderr.write(
            f"{DESCRIPTOR_FILE.name} differs from the .proto files: "
            "run python -m serving.compile_protos\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
