import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image

from client.__main__ import build_parser, main
from client.runs import local_server
from client.runs.local_server import LocalServer
from formats import ProjectMeta, read_bitmap
from tests.fake_server import FakeServer, disc, model_info

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server():
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture
def images(tmp_path):
    """street.jpg, a folder with two images, one of them broken, and a text."""
    folder = tmp_path / "pictures"
    (folder / "inner").mkdir(parents=True)
    Image.new("RGB", (80, 40), (9, 99, 199)).save(tmp_path / "street.jpg")
    Image.new("RGB", (60, 30)).save(folder / "a.png")
    stream = io.BytesIO()
    Image.new("RGB", (50, 20)).save(stream, "WEBP")
    (folder / "inner" / "no_extension").write_bytes(stream.getvalue())
    (folder / "broken.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("BMW")
    return tmp_path


def run(server, *args):
    return main([*map(str, args), "--server", server.address])


def test_annotations_and_overlays(server, images, capsys):
    out = images / "out"
    assert run(server, images / "street.jpg", "--output", out, "--draw") == 0
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == {
        ".maskrcnn-run.json",
        "meta.json",
        "ann/street.jpg.json",
        "overlay/street.jpg.png",
    }
    meta = ProjectMeta.from_json(json.loads((out / "meta.json").read_text()))
    assert [c.title for c in meta.classes] == ["bg", "cat", "dog"]
    assert [t.name for t in meta.tags] == ["confidence"]
    annotation = json.loads((out / "ann/street.jpg.json").read_text())
    *origin, mask = read_bitmap(annotation["objects"][0]["bitmap"])
    assert origin == [10, 10]
    assert np.array_equal(mask, disc(20, 30))
    with Image.open(out / "overlay/street.jpg.png") as overlay:
        assert overlay.size == (960, 480)  # small images are enlarged
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert summary["done"] == 1
    assert summary["instances"] == 2
    assert "1 of 1 pictures done, 0 failed, 2 instances" in printed.err


def test_overlays_of_images_with_names_alike(server, tmp_path):
    for name in ("a.png", "a.jpg", "b.png"):
        Image.new("RGB", (600, 30)).save(tmp_path / name)
    out = tmp_path / "out"
    assert run(server, tmp_path, "--output", out, "--draw") == 0
    drawn = {path.name for path in (out / "overlay").iterdir()}
    assert drawn == {"a.png", "a.jpg.png", "b.png"}


def overlay_of(server, image, out, *args):
    assert run(server, image, "--output", out, "--draw", *args) == 0
    with Image.open(out / "overlay/street.jpg.png") as overlay:
        return np.array(overlay)


def test_overlays_show_saved_windows(server, images):
    drawn = []
    for save in (False, True):
        config = images / "inference.json"
        mode = {
            "name": "sliding_window_det",
            "window": {"width": 40, "height": 40},
            "save": save,
        }
        config.write_text(json.dumps({"model": {}, "mode": mode}))
        args = images / "street.jpg", images / f"out{save}", "--config", config
        drawn.append(overlay_of(server, *args))
    color = (drawn[1] == (0xE6, 0xC2, 0x29)).all(2)
    assert color[0].mean() > 0.2
    assert not (drawn[0] == (0xE6, 0xC2, 0x29)).all(2)[0].any()


def test_overlays_with_a_color_for_each_instance(server, images, capsys):
    image, out = images / "street.jpg", images / "out"
    by_class = overlay_of(server, image, out)
    args = image, "--output", out, "--draw", "--color-by", "instance"
    assert run(server, *args) == 1
    assert 'color_by null, now "instance"; choose' in capsys.readouterr().err
    assert run(server, *args, "--overwrite") == 0
    with Image.open(out / "overlay/street.jpg.png") as overlay:
        assert (np.array(overlay) != by_class).any()


def names_of(out, name="street.jpg"):
    annotation = json.loads((out / f"ann/{name}.json").read_text())
    return [(o["classTitle"], o["tags"][0]["name"]) for o in annotation["objects"]]


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (["--suffix", "_m"], [("cat_m", "confidence_m"), ("dog_m", "confidence_m")]),
        (["--classes", "dog"], [("dog", "confidence")]),
        (["--classes", "dog, cat"], [("cat", "confidence"), ("dog", "confidence")]),
        (["--min-score", "0.75"], [("cat", "confidence"), ("dog", "confidence")]),
        (["--min-score", "0.76"], [("cat", "confidence")]),
    ],
)
def test_selection_without_a_config(server, images, flags, names):
    out = images / "out"
    assert run(server, images / "street.jpg", "--output", out, *flags) == 0
    assert names_of(out) == names


def test_flags_beat_the_config(server, images, capsys):
    config, out = images / "inference.json", images / "out"
    kept = {"save_names": ["cat"], "add_suffix": "_config"}
    mode = {"name": "full_image", "model_classes": kept}
    model = {"min_confidence_threshold": 0.9}
    config.write_text(json.dumps({"model": model, "mode": mode}))
    args = images / "street.jpg", "--output", out, "--config", config
    assert run(server, *args) == 0
    assert names_of(out) == [("cat_config", "confidence_maskrcnn")]
    flags = "--classes", "dog", "--min-score", "0"
    assert run(server, *args, *flags) == 1
    assert "config {" in capsys.readouterr().err  # other results are not mixed
    assert run(server, *args, *flags, "--overwrite") == 0
    assert names_of(out) == [("dog_config", "confidence_maskrcnn")]
    assert run(server, *args, *flags, "--suffix", "", "--overwrite") == 0
    assert names_of(out) == [("dog", "confidence")]


def test_classes_that_the_model_lacks(server, images, capsys):
    args = images / "street.jpg", "--output", images / "out", "--classes", "Dgo,cat"
    assert run(server, *args) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert 'the model has no class "Dgo" (did you mean "dog"?) to save' in warning


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--classes", "a,,b"], "expected names with a comma between two, got 'a,,b'"),
        (["--classes", ""], "expected names"),
        (["--min-score", "1.5"], "expected a number 0 to 1, got '1.5'"),
        (["--min-score", "nan"], "expected a number 0 to 1"),
        (["--color-by", "instance"], "expected --draw with it"),
        (["--draw", "--color-by", "score"], "invalid choice"),
    ],
)
def test_selection_that_makes_no_sense(flags, told, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["a.jpg", *flags])
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


def test_names_stay_texts_in_reports(server, tmp_path):
    folder, report = tmp_path / "pictures", tmp_path / "r.html"
    folder.mkdir()
    evil = "<img src=x onerror=alert(1)><script>alert(2)<&script>.png"
    Image.new("RGB", (60, 30)).save(folder / evil)
    (folder / f"broken {evil}").write_bytes(b"\x89PNG\r\n\x1a\n")
    args = folder, "--output", tmp_path / evil, "--report", report, "--suffix", evil
    assert run(server, *args) == 1
    text = report.read_text()
    assert text.count("&lt;img src=x onerror=alert(1)&gt;&lt;script&gt;") > 6
    assert "<img src=x" not in text
    assert "<script>alert" not in text


def test_folder_with_a_bad_file(server, images, capsys):
    out = images / "out"
    config = images / "inference.json"
    config.write_text(json.dumps({"mode": {"name": "full_image"}}))
    code = run(server, images / "pictures", "--output", out, "--config", config)
    assert code == 1
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == {
        ".maskrcnn-run.json",
        "meta.json",
        "ann/a.png.json",
        "ann/inner/no_extension.json",
    }
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert [(entry["count"], entry["first"]) for entry in summary["left_out"]] == [
        (1, ["notes.txt"])
    ]
    (failure,) = summary["failed"]
    assert failure["picture"].endswith("broken.jpg")
    assert "failed: " in printed.err
    assert "empty file" in printed.err
    annotation = json.loads((out / "ann/a.png.json").read_text())
    assert annotation["objects"][0]["classTitle"] == "cat_maskrcnn"


def test_earlier_results_stay(server, images, capsys):
    out, image = images / "out", images / "street.jpg"
    assert run(server, image, "--output", out) == 0
    before = (out / "ann/street.jpg.json").read_bytes()
    server.change = lambda outputs: outputs | {"num_detections": np.zeros(1, np.int32)}
    assert run(server, image, "--output", out) == 0
    assert "0 of 1 pictures done, 1 done before" in capsys.readouterr().err
    assert (out / "ann/street.jpg.json").read_bytes() == before
    assert run(server, image, "--output", out, "--overwrite") == 0
    assert (out / "ann/street.jpg.json").read_bytes() != before


def test_results_of_unknown_origin_stay(server, images, capsys):
    out, image = images / "out", images / "street.jpg"
    assert run(server, image, "--output", out) == 0
    before = (out / "ann/street.jpg.json").read_bytes()
    (out / ".maskrcnn-run.json").unlink()
    assert run(server, image, "--output", out) == 1
    assert "expected no earlier results, got 2 files" in capsys.readouterr().err
    assert (out / "ann/street.jpg.json").read_bytes() == before
    assert run(server, image, "--output", out, "--overwrite") == 0


def test_same_names_are_refused(server, images, capsys):
    (images / "street.jpg").rename(images / "a.png")
    assert run(server, images / "a.png", images / "pictures") == 1
    assert "got a.png twice" in capsys.readouterr().err
    assert not server.requests


def test_an_image_named_twice_is_done_once(server, images, capsys):
    image = images / "street.jpg"
    again = images / "pictures" / ".." / "street.jpg"
    assert run(server, image, again, "--output", images / "out") == 0
    assert json.loads(capsys.readouterr().out)["done"] == 1


def test_hidden_images_are_taken_only_where_they_are_named(server, images, capsys):
    folder, out = images / ".hidden", images / "out"
    (folder / ".inner").mkdir(parents=True)
    for name in ("a.png", ".b.png", ".inner/c.png"):
        Image.new("RGB", (20, 20)).save(folder / name)

    def annotations(*args):
        assert run(server, *args, "--output", out, "--overwrite") == 0
        return sorted(path.name for path in (out / "ann").iterdir())

    assert annotations(folder) == ["a.png.json"]
    assert annotations(folder / ".b.png") == [".b.png.json", "a.png.json"]


def test_folders_of_images_are_accounted_for(server, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "inner").mkdir(parents=True)
    Image.new("RGB", (20, 30)).save(folder / "a.avif")
    Image.new("RGB", (20, 30)).save(folder / "inner" / "b", "JPEG2000")
    Image.new("RGB", (20, 30)).save(tmp_path / "c.png")
    (folder / "c.png").symlink_to(tmp_path / "c.png")
    (folder / "elsewhere").symlink_to("/etc")
    (folder / "back").symlink_to(folder)
    (folder / "d.avif").symlink_to(folder / "a.avif")
    os.mkfifo(folder / "pipe.png")
    (folder / "notes.txt").write_text("no picture")
    assert run(server, folder, "--output", tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["done"] == 3
    assert {line for line in printed.err.splitlines() if "left out" in line} == {
        "  left out: 1 file of a special kind (pipe, socket or device): pipe.png",
        "  left out: 1 link leading out of the folder: elsewhere",
        "  left out: 1 link leading in a circle: back",
        "  left out: 1 file of no known image format: notes.txt",
        "  left out: 1 file taken already, under this name or another: d.avif",
    }


def test_results_within_the_folder_are_no_images(server, images, capsys):
    (images / "pictures" / "broken.jpg").unlink()
    args = [images, "--output", images / "out", "--draw", "--overwrite"]
    for _ in range(2):
        assert run(server, *args) == 0
        assert json.loads(capsys.readouterr().out)["done"] == 3


def test_errors_before_any_image(server, images, capsys):
    image = images / "street.jpg"
    config = images / "c.json"
    config.write_text('{"mode": {"name": "tiles"}}')
    assert run(server, image, "--config", config) == 1
    assert (
        f"error: {config}: mode.name: expected one of 'full_image', 'roi', 'bboxes', "
        "'sliding_window_det', 'sliding_window', got \"tiles\""
    ) in capsys.readouterr().err
    assert run(server, images / "pictures" / "inner" / "..", "--model-name", "x") == 1
    assert "NOT_FOUND" in capsys.readouterr().err
    empty = images / "empty"
    empty.mkdir()
    assert run(server, empty) == 1
    assert "at least one picture" in capsys.readouterr().err
    assert run(server, images / "missing.jpg", "--output", images / "o") == 1
    assert "No such file" in capsys.readouterr().err


def test_paths_that_lead_nowhere_do_not_stop_the_rest(server, images, capsys):
    loop, long = images / "loop", images / ("x" * 300)
    loop.symlink_to(loop)
    out = images / "out"
    assert run(server, loop, long, images / "street.jpg", "--output", out) == 1
    summary = json.loads(capsys.readouterr().out)
    assert summary["done"] == 1
    assert summary["failed"] == [
        {
            "picture": str(loop),
            "error": f"{loop}: Too many levels of symbolic links",
        },
        {"picture": str(long), "error": f"{long}: File name too long"},
    ]


@pytest.mark.parametrize("option", ["--output", "--config", "--model"])
@pytest.mark.parametrize("name", ["loop", "x" * 300])
def test_options_that_lead_nowhere(server, images, capsys, option, name):
    path = images / name
    if name == "loop":
        path.symlink_to(path)
    where = [] if option == "--model" else ["--server", server.address]
    assert main([str(images / "street.jpg"), option, str(path), *where]) == 1
    (line,) = [
        line
        for line in capsys.readouterr().err.splitlines()
        if not line.startswith("starting a server")
    ]
    assert line.startswith(f"error: {path}")


def test_name_that_is_no_text(server, images):
    name = os.fsdecode(b"caf\xe9.jpg")
    (images / name).write_bytes(b"")
    out = images / "out"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "client", str(images / name)),
            *(str(images / "street.jpg"), "--server", server.address),
            *("--output", str(out)),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
        check=False,
        capture_output=True,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    summary = json.loads(done.stdout.decode())
    assert summary["done"] == 1
    assert summary["failed"][0]["picture"] == str(images / name)


def test_output_that_cannot_be_written(server, images, capsys):
    (images / "out").write_text("a file")
    code = run(server, images / "street.jpg", "--output", images / "out")
    assert code == 1
    assert "error: " in capsys.readouterr().err


def test_usage():
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(["a.jpg", "--server", "x:1", "--model", "y"])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("option", "values", "expected"),
    [
        ("--in-flight", ["0", "x", "1.5"], "a whole number, at least 1"),
        (
            "--model-version",
            ["-1", "x", str(2**63), "9" * 20],
            f"a whole number, at least 0 and at most {2**63 - 1}",
        ),
        (
            "--timeout",
            ["0", "-1", "nan", "inf", "x"],
            "a number of seconds above 0",
        ),
    ],
)
def test_numbers_out_of_range(capsys, option, values, expected):
    for value in values:
        with pytest.raises(SystemExit) as caught:
            build_parser().parse_args(["a.jpg", f"{option}={value}"])
        assert caught.value.code == 2
        told = f"argument {option}: expected {expected}, got '{value}'"
        assert told in capsys.readouterr().err


def test_numbers_at_the_ends_of_their_range():
    args = build_parser().parse_args(
        ["a.jpg", "--timeout=0.1", "--in-flight=1", f"--model-version={2**63 - 1}"]
    )
    assert (args.timeout, args.in_flight) == (0.1, 1)
    assert args.model_version == 2**63 - 1
    assert build_parser().parse_args(["a", "--model-version=0"]).model_version == 0


def test_program_without_tensorflow(server, images):
    code = (
        "import sys; from client.__main__ import main\n"
        "code = main(sys.argv[1:])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
        "raise SystemExit(code)"
    )
    args = [images / "street.jpg", "--server", server.address, "--draw"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args), "--output", images / "out"],
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()


def test_first_interrupt_finishes_what_was_sent(server, images):
    folder = images / "many"
    folder.mkdir()
    for number in range(40):
        Image.new("RGB", (20, 20)).save(folder / f"{number:02}.png")
    server.delay_s = 0.3
    out = images / "out"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "client", str(folder), "--server", server.address),
            *("--output", str(out), "--in-flight", "2"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not list(out.glob("ann/*.json")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"finishing what has been sent" in stderr
    written = list(out.glob("ann/*.json"))
    assert json.loads(stdout)["done"] == len(written) < 40
    assert all(json.loads(path.read_text())["size"]["width"] == 20 for path in written)


def test_a_second_interrupt_does_not_wait_for_answers(server, images):
    server.delay_s = 20.0
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "client", str(images / "street.jpg")),
            *("--server", server.address, "--output", str(images / "out")),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while server.busy == 0 or len(server.requests) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert b"finishing what has been sent" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.endswith(b"interrupted\n")
    assert time.monotonic() - sent < 15


@pytest.mark.parametrize("in_flight", [8, 16])
def test_a_server_with_few_threads(images, capsys, in_flight):
    """TensorFlow Serving refuses what it has no thread for; nothing is lost by it."""
    folder = images / "many"
    folder.mkdir()
    for number in range(60):
        Image.new("RGB", (20, 20)).save(folder / f"{number:02}.png")
    server = FakeServer(threads=32)
    server.max_busy, server.delay_s = 4, 0.02
    try:
        args = [folder, "--output", images / "out", "--in-flight", in_flight]
        assert run(server, *args) == 0
    finally:
        server.stop()
    assert json.loads(capsys.readouterr().out)["done"] == 60
    assert server.refused > 0
    assert server.most_busy <= 4


def test_nothing_of_a_server_acts_on_the_terminal(server, images, capsys):
    text = "\x1b]0;owned\x07 and \u009b2J"
    server.failures.append((grpc.StatusCode.INVALID_ARGUMENT, text))
    named = images / "a\x1b[2J\u009b.png"
    Image.new("RGB", (20, 20)).save(named)
    assert run(server, named, "--output", images / "out") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["failed"][0]["picture"] == str(named)
    assert "\\u001b]0;owned\\u0007 and \\u009b2J" in printed.err
    for stream in (printed.out, printed.err):
        assert not any(c in stream for c in "\x1b\x07\u009b")


def test_a_program_that_starts_while_the_model_loads(server, images, caplog):
    server.is_loading = True
    timer = threading.Timer(1.0, lambda: setattr(server, "is_loading", False))
    timer.start()
    assert run(server, images / "street.jpg", "--output", images / "out") == 0
    timer.join()
    told = f"{server.address}: model mask_rcnn: version 3 is loading"
    assert caplog.messages.count(told) == 1


def test_a_model_that_loads_for_too_long(server, images, capsys):
    server.is_loading = True
    assert run(server, images / "street.jpg", "--server-wait", 0.5) == 1
    assert "version 3 is loading, and was not ready" in capsys.readouterr().err


FAKE_PROGRAM = f"""
import argparse, pathlib, signal, sys, threading
sys.path.insert(0, {str(ROOT)!r})
from tests.fake_server import FakeServer
parser = argparse.ArgumentParser()
for name in ("model-base-path", "model-name", "host", "port", "rest-api-port"):
    parser.add_argument("--" + name)
args = parser.parse_args()
base = pathlib.Path(args.model_base_path)
versions = sorted(int(p.name) for p in base.iterdir() if p.is_dir())
print("serving", base, versions)
if (base / str(versions[-1]) / "bad").exists():
    print("cannot load the model", file=sys.stderr)
    sys.exit(3)
server = FakeServer(args.port, args.model_name)
server.versions = versions
error = base / str(versions[-1]) / "load_error"
server.load_error = error.read_text() if error.exists() else ""
done = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: done.set())
done.wait()
server.stop()
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model folder with two versions, and a program that serves such folders."""
    program = tmp_path / "program.py"
    program.write_text(FAKE_PROGRAM)
    command = (sys.executable, str(program))
    monkeypatch.setattr("client.runs.local_server.COMMAND", command)
    for version in ("1", "2"):
        (tmp_path / "shapes" / version).mkdir(parents=True)
        (tmp_path / "shapes" / version / "saved_model.pb").touch()
    return tmp_path / "shapes"


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_model_folder(model, images, capsys):
    args = [images / "street.jpg", "--model", model, "--output", images / "out"]
    assert main([*map(str, args)]) == 0
    assert "starting a server" in capsys.readouterr().err
    assert (images / "out/ann/street.jpg.json").is_file()


@pytest.mark.parametrize(("folder", "version"), [("", 2), ("1", 1)])
def test_local_server_serves_and_stops(model, folder, version):
    from client import Client

    with LocalServer(model / folder) as server:
        assert server.model_name == "shapes"
        process = server._process
        assert process is not None
        with Client(server.address, model_name="shapes") as client:
            assert client.model_version == version
            assert client.info() == model_info()
    assert not alive(process.pid)


def test_local_server_that_fails(model, images, capsys):
    (model / "2" / "bad").touch()
    args = [images / "street.jpg", "--model", model, "--output", images / "out"]
    assert main([*map(str, args)]) == 1
    printed = capsys.readouterr().err
    assert "the embedded server ended" in printed
    assert "cannot load the model" in printed


def test_model_that_does_not_load_is_told_at_once(model, images, capsys):
    (model / "2" / "load_error").write_text("no signature serving_default")
    started = time.monotonic()
    assert main([str(images / "street.jpg"), "--model", str(model)]) == 1
    assert time.monotonic() - started < 60  # of the 300 s that a load may take
    assert (
        f"error: {model}: the model does not load: version 2: "
        "no signature serving_default"
    ) in capsys.readouterr().err


def test_local_server_is_not_looked_for_behind_a_proxy(model, images):
    args = [images / "street.jpg", "--model", model, "--output", images / "out"]
    code = (
        "import sys, client.runs.local_server as local\n"
        "from client.__main__ import main\n"
        f"local.COMMAND = {local_server.COMMAND!r}\n"
        "raise SystemExit(main(sys.argv[1:]))"
    )
    environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=ROOT,
        env=environment | {"http_proxy": "http://localhost:1"},
        check=False,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()


def test_folder_without_a_model(tmp_path, images, capsys):
    assert main([str(images / "street.jpg"), "--model", str(images)]) == 1
    assert "expected saved_model.pb, or version folders" in capsys.readouterr().err
