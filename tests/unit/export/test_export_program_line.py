"""The command line: what needs no TensorFlow, each case in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
QUIET = ("tensorflow", "keras", "h5py", "pydantic", "cv2")


def python(*args, cwd=ROOT):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment,
    )


@pytest.fixture
def main(monkeypatch, capsys, tmp_path):
    """Runs the program in this process: (exit code, stdout, stderr)."""
    from export.__main__ import main

    monkeypatch.chdir(tmp_path)

    def run(*args):
        try:
            code = main([str(arg) for arg in args])
        except SystemExit as err:
            code = err.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_help_loads_nothing_heavy():
    code = f"""
        import sys
        from export.__main__ import main
        try:
            main(["--help"])
        except SystemExit as err:
            assert err.code == 0
        print("LOADED", [m for m in {QUIET!r} if m in sys.modules])
    """
    done = python("-c", textwrap.dedent(code))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []"
    for flag in ("--weights", "--inspect", "--output", "--config", "--classes"):
        assert flag in done.stdout


def test_inspecting_needs_no_tensorflow(small_checkpoint):
    code = f"""
        import sys
        from export.__main__ import main
        assert main(["--inspect", {str(small_checkpoint)!r}]) == 0
        assert "tensorflow" not in sys.modules
    """
    done = python("-c", textwrap.dedent(code))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((), "one of the arguments --weights --inspect is required"),
        (("--weights", "a.h5", "--inspect", "a.h5"), "not allowed with argument"),
        (("--weights", "a.h5", "--overwrite"), "name it with --version"),
        (
            ("--weights", "a.h5", "--version", "0"),
            "expected a whole number, at least 1",
        ),
        (("--weights", "a.h5", "--version", "-1"), "expected"),
        (
            ("--weights", "a.h5", "--version", "٣"),
            "expected a whole number, at least 1",
        ),
        (("--weights", "a.h5", "--max-image-pixels", "1e6"), "got '1e6'"),
        (("--weights", "a.h5", "--resize-mode", "crop"), "invalid choice: 'crop'"),
        (("--weights", "a.h5", "--min-dim", "big"), "invalid int value: 'big'"),
        (("--weights", "a.h5", "--frobnicate"), "unrecognized arguments"),
    ],
)
def test_usage_errors(main, args, told):
    code, out, err = main(*args)
    assert code == 2
    assert out == ""
    assert told in err
    assert err.startswith("usage: python -m export")


@pytest.mark.parametrize("action", ["--inspect", "--weights"])
@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "no such file"), (b"", "HDF5"), (b"PK\3\4 weights", "HDF5")],
    ids=["missing", "empty", "foreign"],
)
def test_files_that_are_no_weights(main, tmp_path, action, content, told):
    path = tmp_path / "w.h5"
    if content is not None:
        path.write_bytes(content)
    code, out, err = main(action, path)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {path}: 1 problem:")
    assert told in err
    assert "Traceback" not in err
    assert not (tmp_path / "exported").exists()


def test_an_error_is_one_line_without_a_traceback(small_checkpoint, tmp_path):
    (tmp_path / "bad.json").write_text("{")
    arguments = ["-m", "export", "--inspect", small_checkpoint]
    arguments += ["--classes", tmp_path / "bad.json"]
    done = python(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: {tmp_path / 'bad.json'}: not JSON: line 1, column 2: Expecting "
        "property name enclosed in double quotes\n"
    )
    debug = python(*arguments, "--debug")
    assert debug.returncode == 1
    assert "Traceback" in debug.stderr
    assert "export.errors.ExportError" in debug.stderr


def test_ctrl_c_is_130(main, monkeypatch):
    import export.__main__ as program

    def interrupt(_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "_run", interrupt)
    assert main("--weights", "w.h5") == (130, "", "interrupted\n")


@pytest.mark.parametrize("missing", ["tensorflow", "keras", "h5py"])
def test_a_missing_extra_is_told_with_its_remedy(small_checkpoint, tmp_path, missing):
    code = f"""
        import sys
        sys.modules[{missing!r}] = None
        sys.argv = ["export", "--weights", {str(small_checkpoint)!r}]
        from export.__main__ import main
        sys.exit(main())
    """
    done = python("-c", textwrap.dedent(code), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        f"error: {missing} is not installed: pip install '.[export]' in the project's "
        "folder"
    )
    assert "Traceback" not in done.stderr


def test_a_foreign_package_in_the_way_is_told(small_checkpoint, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("")
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        from export.__main__ import main
        sys.exit(main(["--inspect", {str(small_checkpoint)!r}]))
    """
    done = python("-c", textwrap.dedent(code))
    assert done.returncode == 1
    assert "is shadowed by" in done.stderr
    assert str(tmp_path / "models") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def arrays():
    from examples.seeded_checkpoint import seeded_arrays
    from models.architecture import preset

    architecture = preset("small", num_classes=3)
    return seeded_arrays(architecture, 1), architecture


def test_inspecting_a_whole_file(main, small_checkpoint):
    code, out, _ = main("--inspect", small_checkpoint)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"file: {small_checkpoint}"
    for line in (
        "backbone: small",
        "num_classes: 3",
        "stage_blocks: (2, 2, 2, 2)",
        "classes (assumed; no config names them): 0 bg, 1 class_1, 2 class_2",
        "missing arrays: none",
        "unexpected arrays: none",
        "contradictions: none",
        "whole network: yes",
    ):
        assert line in lines


def test_inspecting_tells_where_the_names_come_from(main, small_checkpoint, tmp_path):
    config = tmp_path / "run.json"
    config.write_text(
        json.dumps(
            {
                "settings": {"input_size": {"min_dim": 256, "max_dim": 256}},
                "class_title_to_idx": {"bg": 0, "cat": 1, "dog": 2},
            }
        )
    )
    _, out, _ = main("--inspect", small_checkpoint, "--config", config)
    assert f"classes (from {config}): 0 bg, 1 cat, 2 dog" in out.splitlines()
    _, out, _ = main("--inspect", small_checkpoint, "--classes", "x,y")
    assert "classes (from --classes): 0 bg, 1 x, 2 y" in out.splitlines()


def test_inspecting_with_a_config_of_another_model(main, small_checkpoint, tmp_path):
    config = tmp_path / "other.json"
    config.write_text(json.dumps({"NUM_CLASSES": 81}))
    code, out, _ = main("--inspect", small_checkpoint, "--config", config)
    assert code == 0
    assert "whole network: yes" in out
    assert "config: " in out.splitlines()[-1]
    assert "NUM_CLASSES: the checkpoint has 3, got 81" in out


def test_inspecting_a_partial_file(main, small_checkpoint, tmp_path):
    import h5py

    path = tmp_path / "partial.h5"
    path.write_bytes(small_checkpoint.read_bytes())
    with h5py.File(path, "a") as file:
        del file["mrcnn_mask"]
        file.create_dataset("stray/stray/kernel:0", data=np.zeros(3))
    code, out, _ = main("--inspect", path)
    assert code == 0
    lines = out.splitlines()
    assert "missing arrays: 2" in lines
    assert "unexpected arrays: 1" in lines
    assert "  stray/stray/kernel:0" in lines
    assert lines[-1] == "whole network: no"
    code, out, err = main("--weights", path)
    assert (code, out) == (1, "")
    assert "3 problems" in err
    assert "python -m export --inspect shows what the file holds." in err
    assert not (tmp_path / "exported").exists()


def test_inspecting_another_kind_of_network(main, tmp_path):
    import h5py

    path = tmp_path / "vgg.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("block1_conv1/kernel:0", data=np.zeros((3, 3)))
    code, out, err = main("--inspect", path)
    assert (code, out) == (1, "")
    assert "holds no layer of a Mask R-CNN" in err
    assert "block1_conv1" in err
