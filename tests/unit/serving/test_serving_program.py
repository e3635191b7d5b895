"""The command line, and the small files that it stands on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving.embedded.flags import build_parser
from serving.embedded.foreign_flags import FOREIGN_FLAGS
from serving.embedded.options import ServerOptions
from serving.embedded.storage import explain_base_path, find_models, fingerprint
from serving.siblings import check_siblings
from serving.version_dirs import (
    list_models,
    list_versions,
    next_version,
    version_number,
    version_numbers,
)

ROOT = Path(__file__).parents[3]


def _python(code, *flags, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-c", code, *flags],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("separator", ["-", "_"])
def test_flags_take_dashes_and_underscores(separator):
    values = {
        "--model-base-path": "/m",
        "--model-name": "n",
        "--rest-api-port": "0",
        "--enable-model-warmup": "false",
        "--file-system-poll-wait-seconds": "0.5",
    }
    argv = []
    for flag, value in values.items():
        argv += ["--" + flag[2:].replace("-", separator), value]
    args = build_parser().parse_args(
        [*argv, f"--grpc{separator}max{separator}threads=3"]
    )
    assert args.model_base_path == Path("/m")
    assert (args.model_name, args.rest_api_port, args.grpc_max_threads) == ("n", 0, 3)
    assert (args.enable_model_warmup, args.file_system_poll_wait_seconds) == (
        False,
        0.5,
    )


def test_a_switch_needs_no_value():
    args = build_parser().parse_args(
        ["--model-base-path=m", "--enable_serialization_as_tensor_content"]
    )
    assert args.enable_serialization_as_tensor_content is True


def test_channel_arguments():
    args = build_parser().parse_args(
        ["--model-base-path=m", "--grpc_channel_arguments=grpc.a=-1,grpc.b=x=y"]
    )
    assert args.grpc_channel_arguments == (("grpc.a", -1), ("grpc.b", "x=y"))


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--port=70000", "expected a whole number, at least 0 and at most 65535"),
        ("--port=x", "expected a whole number"),
        ("--max-concurrent-requests=0", "expected a whole number, at least 1"),
        ("--drain-timeout-s=inf", "expected a number, at least 0"),
        ("--enable-model-warmup=maybe", "expected true or false"),
        ("--grpc-channel-arguments=x", "expected name=value"),
        (
            "--enable_batching=true",
            "error: --enable_batching is a flag of tensorflow_model_server that is not "
            "here: each request runs by itself, in parts of --max-batch-size\n",
        ),
        (
            "--model-config-file=x",
            "error: --model-config-file is a flag of tensorflow_model_server that is "
            "not here: one model is served, its newest version\n",
        ),
        ("--enable_profiler", "tensorflow_model_server that is not here\n"),
        ("--enable_batchin", "unrecognized arguments: --enable_batchin"),
    ],
)
def test_flags_that_are_refused(flag, text, capsys):
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["--model-base-path=m", flag])
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:predict", "a b", "a\n", "größe"])
def test_model_names_that_rest_cannot_address(name, capsys):
    text = "model_name: expected letters, digits, '.', '_' and '-'"
    with pytest.raises(ValueError, match=text):
        ServerOptions(model_base_path=Path("m"), model_name=name)
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--model-base-path=m", f"--model-name={name}"])
    assert f"{text}, which REST paths can hold, got {name!r}" in capsys.readouterr().err


def test_a_model_name_with_everything_allowed():
    flags = ["--model-base-path=m", "--model-name=Mask-RCNN_v1.5"]
    assert build_parser().parse_args(flags).model_name == "Mask-RCNN_v1.5"


def test_every_flag_is_documented():
    text = (ROOT / "docs" / "serving.md").read_text()
    documented = set(re.findall(r"^\| `(--[a-z0-9-]+)", text, flags=re.MULTILINE))
    flags = {
        action.option_strings[0]
        for action in build_parser()._actions
        if action.dest != "help"
    }
    assert documented == flags


def test_options_check_their_numbers():
    with pytest.raises(
        ValueError, match="max_concurrent_requests: expected at least 1"
    ):
        ServerOptions(model_base_path=Path("m"), max_concurrent_requests=0)


def test_help_needs_neither_tensorflow_nor_grpc():
    code = (
        "import sys\n"
        "from serving.__main__ import main\n"
        "try: main(['--help'])\n"
        "finally: assert not {'tensorflow', 'grpc', 'numpy'} & set(sys.modules)"
    )
    done = _python(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--model-base-path" in done.stdout


def test_a_missing_tensorflow_is_one_line_with_the_cure():
    code = (
        "import sys\n"
        "sys.modules['tensorflow'] = None\n"
        "from serving.__main__ import main\n"
        "raise SystemExit(main(['--model-base-path', 'm']))"
    )
    done = _python(code)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "error: tensorflow is not installed: pip install '.[serving]' in the project's "
        "folder\n"
    )


def test_a_package_that_shadows_a_sibling(tmp_path):
    shadow = tmp_path / "client"
    shadow.mkdir()
    (shadow / "__init__.py").touch()
    code = (
        "import sys\n"
        f"sys.path.insert(1, {str(ROOT)!r})\n"
        "from serving.__main__ import main\n"
        "raise SystemExit(main(['--model-base-path', 'm']))"
    )
    done = _python(code, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"error: package 'client' of this project, expected in {ROOT.resolve()}, is "
        f"shadowed by {shadow.resolve()}; "
    )


def test_a_folder_that_is_no_package_shadows_nothing(tmp_path):
    (tmp_path / "models").mkdir()
    code = (
        "import sys\n"
        f"sys.path.insert(1, {str(ROOT)!r})\n"
        "from serving.siblings import check_siblings\n"
        "check_siblings('serving')"
    )
    done = _python(code, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check_siblings("serving")


def test_versions_are_directories_named_by_plain_numbers(tmp_path):
    for name in ("1", "0012", "x", "-3", "1.5", "tmp-4", "9" * 30):
        (tmp_path / name).mkdir()
    (tmp_path / "5").touch()
    assert list_versions(tmp_path) == {1: tmp_path / "1", 12: tmp_path / "0012"}
    with pytest.raises(FileNotFoundError):
        list_versions(tmp_path / "nothing")
    assert version_numbers(tmp_path) == [1, 12]
    assert version_numbers(tmp_path / "nothing") == []
    assert next_version(tmp_path) == 13
    assert next_version(tmp_path / "nothing") == 1
    assert list_models(tmp_path) == {}
    (tmp_path / "0012" / "saved_model.pb").touch()
    assert list_models(tmp_path) == {12: tmp_path / "0012"}


@pytest.mark.parametrize(
    ("name", "number"),
    [("7", 7), ("0", 0), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("٣", None)],
)
def test_numbers_of_versions(name, number):
    assert version_number(name) == number


def test_a_fingerprint_tells_changes_anywhere_below(tmp_path):
    (tmp_path / "variables").mkdir()
    seen = [fingerprint(tmp_path)]
    file = tmp_path / "variables" / "data"
    for content in ("a", "ab"):
        file.write_text(content)
        seen.append(fingerprint(tmp_path))
    file.unlink()
    assert len(set(seen)) == 3


def test_foreign_flags_are_none_of_ours():
    ours = {
        option.removeprefix("--").replace("-", "_")
        for action in build_parser()._actions
        for option in action.option_strings
    }
    assert not ours & set(FOREIGN_FLAGS)


def test_base_paths_that_never_hold_versions(tmp_path):
    version = tmp_path / "model" / "3"
    version.mkdir(parents=True)
    assert explain_base_path(version) is None
    (version / "saved_model.pb").touch()
    assert explain_base_path(version) == (
        f"{version} is a version of a model; give the directory that holds its "
        f"versions: --model-base-path {version.parent}"
    )
    assert explain_base_path(version.parent) is None
    assert explain_base_path(tmp_path / "nothing") is None
    assert explain_base_path(version / "saved_model.pb") == (
        f"{version / 'saved_model.pb'} is a file; expected a directory of version "
        "directories"
    )
    (version.parent / "saved_model.pb").touch()
    assert explain_base_path(version.parent) == (
        f"{version.parent} holds a SavedModel itself; expected it in a version "
        f"directory: move it to {version.parent / '1'}"
    )


def test_models_below_a_path(tmp_path):
    (tmp_path / "b" / "1").mkdir(parents=True)
    (tmp_path / "a" / "x").mkdir(parents=True)
    (tmp_path / "file").touch()
    assert find_models(tmp_path) == [tmp_path / "b"]
