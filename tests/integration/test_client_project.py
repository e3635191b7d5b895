"""Whole projects through `python -m client --project`: results, resuming, errors."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from client.__main__ import main
from formats.coco.file import open_coco
from formats.supervisely.project import open_project
from serving.contract import ModelClass
from tests.factories import box, meta_json, write_item, write_project
from tests.fake_server import FakeServer, model_info
from tests.oracle import ORACLE, OracleServer, load_module, needs_shared

ROOT = Path(__file__).resolve().parents[2]
RECORD = ".maskrcnn-run.json"


@pytest.fixture
def server():
    """The canned model, with classes that a project of the factory does not have."""
    server = FakeServer()
    titles = ("bg", "fox", "owl")
    classes = tuple(ModelClass(i, t, f"#0000{i}0") for i, t in enumerate(titles))
    server.infos[3] = model_info(classes=classes)
    yield server
    server.stop()


@pytest.fixture
def project(tmp_path):
    """Three images in one dataset, two in a nested one."""
    root = write_project(tmp_path / "in")
    write_item(root / "ds" / "datasets" / "inner", "a.png", [box()], ["val"])
    write_item(root / "ds" / "datasets" / "inner", "d.png", ann_name="d.json")
    return root


def run(server, *args):
    return main([*map(str, args), "--server", server.address])


def asked(server):
    """Returns what the server was asked beside what the model is."""
    names = [request.model_spec.signature_name for request in server.requests]
    return [name for name in names if name != "model_info"]


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def write_config(path, **mode):
    path.write_text(json.dumps({"model": {}, "mode": mode}))
    return path


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize("case", ["p1_full", "p2_bboxes", "p3_roi"])
def test_as_the_sdk(tmp_path, case):
    folder = ORACLE / "project_cases" / case
    source = ORACLE / "project_cases" / "in_project"
    server = OracleServer(json.loads((folder / "model.json").read_text()))
    out = tmp_path / "out"
    try:
        config = folder / "config.json"
        args = ["--project", source, "--output", out, "--config", config]
        assert run(server, *args) == 0
    finally:
        server.stop()
    compare = load_module("compare")
    expected = folder / "expected_project"
    images = {p for p in files(source / "my project") if "/img/" in p}
    assert files(out) == files(expected) | images | {RECORD}
    meta = json.loads((expected / "meta.json").read_text())
    random_colors = {"area"}
    found_meta = json.loads((out / "meta.json").read_text())
    assert not compare.diff_meta(meta, found_meta, random_colors)
    for path in files(expected) - {"meta.json"}:
        annotations = [
            json.loads((root / path).read_text()) for root in (expected, out)
        ]
        assert not compare.diff_ann(*annotations, meta), path


def test_a_new_project_comes_out(server, project, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(server, "--project", project, "--output", out) == 0
    before, after = open_project(project), open_project(out)
    assert [i.image for i in after.items] == [i.image for i in before.items]
    assert all(item.annotation.endswith(".png.json") for item in after.items)
    for item in before.items:
        assert (out / item.image).samefile(project / item.image)
    titles = [entry.title for entry in after.meta.classes]
    assert titles == ["cat", "dog", "box", "bg", "fox", "owl"]
    summary = json.loads(capsys.readouterr().out)
    assert (summary["done"], summary["skipped"], summary["left"]) == (5, 0, 0)
    for item in after.items:
        after.parse(item, after.read(item.annotation))


def test_images_are_copied_where_links_are_not_had(
    server, project, tmp_path, monkeypatch
):
    def fail(*_args, **_kwargs):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", fail)
    out = tmp_path / "out"
    assert run(server, "--project", project, "--output", out) == 0
    for item in open_project(project).items:
        assert not (out / item.image).samefile(project / item.image)
        assert (out / item.image).read_bytes() == (project / item.image).read_bytes()


def test_a_tar_of_a_project(server, project, tmp_path):
    tar = shutil.make_archive(tmp_path / "packed", "tar", project)
    out, plain = tmp_path / "out", tmp_path / "plain"
    assert run(server, "--project", tar, "--output", out, "--draw") == 0
    assert run(server, "--project", project, "--output", plain, "--draw") == 0
    assert files(out) == files(plain)
    for path in files(out) - {RECORD}:
        assert (out / path).read_bytes() == (plain / path).read_bytes()


@pytest.mark.parametrize("form", ["gztar", "bztar", "xztar", "zip"])
def test_a_packed_project(server, project, tmp_path, form):
    packed = shutil.make_archive(tmp_path / "packed", form, project)
    out, plain = tmp_path / "out", tmp_path / "plain"
    assert run(server, "--project", packed, "--output", out) == 0
    assert run(server, "--project", project, "--output", plain) == 0
    assert files(out) == files(plain)
    for path in files(out) - {RECORD}:
        assert (out / path).read_bytes() == (plain / path).read_bytes()


def test_a_packed_project_is_bounded(server, project, tmp_path, capsys):
    packed = shutil.make_archive(tmp_path / "packed", "zip", project)
    out = tmp_path / "out"
    args = ("--project", packed, "--output", out, "--max-archive-bytes", 100)
    assert run(server, *args) == 1
    assert (
        "at most 100 bytes, got more; allow more with --max" in capsys.readouterr().err
    )
    assert not out.exists()


@pytest.mark.parametrize("place", ["..", "../datasets/w", "/tmp/w", ".maskrcnn-run"])
def test_names_in_a_tar_lead_nowhere(server, project, tmp_path, capsys, place):
    packed = tmp_path / "p.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(project, ".")
        for name in ("img/a.png", "ann/a.png.json"):
            member = archive.gettarinfo(project / "ds" / name)
            member.name = f"{place}/{name}"
            with (project / "ds" / name).open("rb") as file:
                archive.addfile(member, file)
    before = files(tmp_path)
    out = tmp_path / "deep" / "er" / "out"
    assert run(server, "--project", packed, "--output", out, "--overwrite") == 1
    assert "error: " in capsys.readouterr().err
    assert files(tmp_path) == before
    assert not asked(server)


@pytest.mark.parametrize("link", ["ds", "ds/img", "ds/ann", RECORD[:-5], "overlay"])
@pytest.mark.parametrize("flags", [[], ["--overwrite"]])
def test_links_in_the_output_lead_nowhere(
    server, project, tmp_path, capsys, link, flags
):
    outside, out = tmp_path / "outside", tmp_path / "out"
    for name in ("a.png", "new/x", "lock", "img/a.png"):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_text("mine")
    (out / link).parent.mkdir(parents=True, exist_ok=True)
    (out / link).symlink_to(outside)
    args = ("--project", project, "--output", out, "--draw", *flags)
    assert run(server, *args) == 1
    told = capsys.readouterr().err
    assert f"error: {out / link}" in told
    assert "got a link out of it" in told
    assert files(outside) == {"a.png", "new/x", "lock", "img/a.png"}
    assert {(outside / name).read_text() for name in files(outside)} == {"mine"}
    assert not asked(server)


def test_links_to_files_in_the_output_are_replaced(server, project, tmp_path, capsys):
    other, out = tmp_path / "other.json", tmp_path / "out"
    other.write_text("mine")
    assert run(server, "--project", project, "--output", out) == 0
    for name in ("ds/ann/a.png.json", "meta.json"):
        (out / name).unlink()
        (out / name).symlink_to(other)
    capsys.readouterr()
    assert run(server, "--project", project, "--output", out) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 1
    assert other.read_text() == "mine"
    assert not (out / "meta.json").is_symlink()
    assert not (out / "ds/ann/a.png.json").is_symlink()


def test_a_dataset_called_like_the_overlays(server, project, tmp_path, capsys):
    (project / "ds").rename(project / "overlay")
    out = tmp_path / "out"
    assert run(server, "--project", project, "--output", out, "--draw") == 1
    assert "dataset overlay: expected another name" in capsys.readouterr().err
    assert run(server, "--project", project, "--output", out) == 0


def test_nothing_of_a_project_vanishes(server, project, tmp_path, capsys):
    (project / "ds" / "img" / "a.png").unlink()
    (project / "ds" / "img" / "b.png").rename(project / "ds" / "img" / "b")
    (project / "ds" / "ann" / "b.png.json").rename(project / "ds" / "ann" / "b.json")
    (project / "ds" / "img" / "notes.txt").write_text("no picture")
    out, page = tmp_path / "out", tmp_path / "page.html"
    assert run(server, "--project", project, "--output", out, "--report", page) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert summary["done"] == 4
    assert summary["left_out"] == [
        {
            "what": "file",
            "reason": "of no known image format",
            "count": 1,
            "files": 1,
            "first": ["ds/img/notes.txt"],
        },
        {
            "what": "annotation",
            "reason": "without an image",
            "count": 1,
            "files": 1,
            "first": ["ds/ann/a.png.json"],
        },
    ]
    line = "left out: 1 annotation without an image: ds/ann/a.png.json"
    assert f"  {line}\n" in printed.err
    assert line in page.read_text()
    assert (out / "ds/img/b").samefile(project / "ds/img/b")
    assert (out / "ds/ann/b.json").is_file()


@pytest.mark.parametrize("content", ["[]", "7", "null", "{path}", "true"])
def test_the_content_of_an_annotation_is_no_path(
    server, project, tmp_path, capsys, content
):
    sound = project / "ds" / "ann" / "b.png.json"
    path = project / "ds" / "ann" / "a.png.json"
    path.write_text(json.dumps(str(sound)) if content == "{path}" else content)
    assert run(server, "--project", project, "--output", tmp_path / "out") == 1
    summary = json.loads(capsys.readouterr().out)
    assert summary["done"] == 4
    (failure,) = summary["failed"]
    assert failure["picture"] == str(project / "ds" / "img" / "a.png")
    assert failure["error"].startswith(f'{path}: expected {{"size": ')


@pytest.mark.parametrize(
    ("flag", "name", "told"),
    [
        ("--report", "out/meta.json", "expected a name of its own"),
        ("--coco", "out/.maskrcnn-run/x.json", "expected a name of its own"),
        ("--coco", "in/meta.json", "expected a name of its own"),
        ("--report", "folder", "expected a file, got a folder"),
        ("--report", "file/x.html", "Not a directory|File exists"),
    ],
)
def test_files_that_cannot_be_are_told_at_the_start(
    server, project, tmp_path, capsys, flag, name, told
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    args = ("--project", project, "--output", tmp_path / "out", flag, tmp_path / name)
    assert run(server, *args) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / name}: ")
    assert re.search(told, error)
    assert not asked(server)


def test_names_do_not_reach_the_terminal(server, project, tmp_path, capsys):
    for name in ("\x1b[31m.png", "\x1b]0;title\x07.txt"):
        (project / "ds" / "img" / name).write_bytes(b"no picture")
    assert run(server, "--project", project, "--output", tmp_path / "out") == 1
    printed = capsys.readouterr()
    assert "\x1b" not in printed.err + printed.out
    assert "\\u001b[31m.png" in printed.err
    assert "\\u001b]0;title\\u0007.txt" in printed.err


@pytest.mark.parametrize("content", ["[" * 100_000, "7", '{"made_by": 1}', None])
def test_a_note_of_an_earlier_run_that_is_none(
    server, project, tmp_path, capsys, content
):
    out = tmp_path / "out"
    out.mkdir()
    if content is None:
        os.mkfifo(out / RECORD)  # reading it would wait for ever
    else:
        (out / RECORD).write_text(content)
    assert run(server, "--project", project, "--output", out) == 0
    assert json.loads((out / RECORD).read_text())["complete"] is True


@pytest.mark.parametrize("kind", ["coco", "report"])
def test_what_a_run_keeps_may_be_damaged(server, project, tmp_path, capsys, kind):
    (project / "ds" / "img" / "a.png").write_bytes(b"no picture")
    out, file = tmp_path / "out", tmp_path / "made"
    args = ("--project", project, "--output", out, f"--{kind}", file)
    assert run(server, *args) == 1
    kept = out / ".maskrcnn-run" / kind / "ds" / "b.png.json"
    kept.write_text("{")
    assert run(server, *args) == 1
    told = capsys.readouterr().err
    assert f"error: {kept}: not JSON: " in told
    assert told.rstrip().endswith("start again with --overwrite")
    assert "Traceback" not in told


def test_bad_items_fail_alone(server, project, tmp_path, capsys):
    (project / "ds" / "img" / "b.png").write_bytes(b"nothing")
    path = project / "ds" / "ann" / "c.png.json"
    content = json.loads(path.read_text())
    content["objects"][0]["classTitle"] = "wolf"
    path.write_text(json.dumps(content))
    (project / "ds" / "ann" / "a.png.json").unlink()
    out = tmp_path / "out"
    assert run(server, "--project", project, "--output", out) == 1
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert (summary["done"], len(summary["failed"])) == (2, 3)
    errors = [failure["error"] for failure in summary["failed"]]
    assert "a.png: has no annotation; add" in errors[0]
    assert "b.png: expected JPEG" in errors[1]
    assert f"{path}: objects[0]: unknown class 'wolf'" in errors[2]
    assert printed.err.count("unknown class 'wolf'") == 2
    assert {p for p in files(out) if "/ann/" in p} == {
        "ds/datasets/inner/ann/a.png.json",
        "ds/datasets/inner/ann/d.png.json",
    }
    write_project(project)
    assert run(server, "--project", project, "--output", out) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["done"], summary["skipped"]) == (3, 2)


def test_clashes_are_told_before_any_image(server, project, tmp_path, capsys):
    (project / "meta.json").write_text(json.dumps(meta_json({"fox": "polygon"})))
    assert run(server, "--project", project, "--output", tmp_path / "out") == 1
    assert (
        'error: class "fox" would be there twice: a class of the project and the '
        'model\'s class "fox"; give'
    ) in (told := capsys.readouterr().err)
    assert "another name: --suffix on the command line" in told
    assert not (tmp_path / "out").exists()
    args = "--project", project, "--output", tmp_path / "out", "--suffix", "_m"
    run(server, *args)
    assert "fox_m" in (tmp_path / "out" / "meta.json").read_text()


def test_windows_larger_than_an_image(server, project, tmp_path, capsys):
    config = write_config(
        tmp_path / "c.json",
        name="sliding_window_det",
        window={"width": 30, "height": 20},
    )
    write_item(project / "ds", "small.png", size=(10, 10))
    args = ["--project", project, "--output", tmp_path / "out", "--config", config]
    assert run(server, *args) == 1
    (failure,) = json.loads(capsys.readouterr().out)["failed"]
    assert "expected a picture of at least 30 x 20 pixels" in failure["error"]
    assert failure["picture"].endswith("small.png")


def test_empty_masks_are_told(server, project, tmp_path, capsys):
    def empty(outputs):
        outputs["detection_boxes"][:, 0] = [1.0, 1.0, 1.2, 9.0]
        return outputs

    server.change = empty
    assert run(server, "--project", project, "--output", tmp_path / "out") == 0
    printed = capsys.readouterr()
    (warning,) = json.loads(printed.out)["warnings"]
    assert re.fullmatch(
        r"5 objects with an empty mask in 5 images: (ds\S+\.png,? ){3}and 2 more",
        warning,
    )
    assert f"  {warning}\n" in printed.err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("config", "config null, now {"),
        ("version", "version 3, now 4"),
        ("input", "input ["),
        ("meta", "meta "),
    ],
)
def test_other_results_are_not_mixed(server, project, tmp_path, capsys, change, told):
    out = tmp_path / "out"
    args = ["--project", project, "--output", out]
    assert run(server, *args) == 0
    before = {path: (out / path).read_bytes() for path in files(out)}
    if change == "config":
        config = write_config(tmp_path / "c.json", name="full_image")
        args += ["--config", config]
    elif change == "version":
        server.infos[4] = server.infos[3]
        server.versions = [4]
    elif change == "input":
        args[1] = shutil.copytree(project, tmp_path / "other")
    else:
        classes = {"cat": "bitmap", "dog": "polygon", "box": "rectangle", "new": "line"}
        (project / "meta.json").write_text(json.dumps(meta_json(classes)))
    capsys.readouterr()
    assert run(server, *args) == 1
    error = capsys.readouterr().err
    assert "expected results of the same run, got others: " in error
    assert told in error
    assert "--overwrite" in error
    assert {path: (out / path).read_bytes() for path in files(out)} == before
    assert run(server, *args, "--overwrite") == 0
    assert json.loads(capsys.readouterr().out)["done"] == 5
    assert run(server, *args) == 0


def test_a_model_that_changes_meanwhile_stops_the_run(
    server, project, tmp_path, capsys
):
    calls = []

    def roll_on(outputs):
        calls.append(1)
        if len(calls) == 2:
            server.infos[4] = server.infos[3]
            server.versions = [3, 4]
        return outputs

    server.change = roll_on
    args = ["--project", project, "--output", tmp_path / "out", "--in-flight", 1]
    assert run(server, *args) == 1
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert 1 <= summary["done"] <= 3
    assert summary["left"] == 5 - summary["done"]
    assert "the model's version was 3, now it is 4" in printed.err
    assert run(server, *args, "--model-version", 3) == 0
    assert json.loads(capsys.readouterr().out)["done"] == summary["left"]


@pytest.mark.slow
def test_server_that_goes_away(server, project, tmp_path, capsys):
    for number in range(12):
        write_item(project / "ds", f"x{number}.png")
    calls = []

    def die(outputs):
        calls.append(1)
        if len(calls) == 5:
            threading.Thread(target=server.stop).start()
            time.sleep(0.2)
        return outputs

    server.change = die
    args = ["--project", project, "--output", tmp_path / "out"]
    started = time.monotonic()
    assert run(server, *args, "--in-flight", 2, "--server-wait", 3) == 1
    assert time.monotonic() - started > 3
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert summary["failed"] == []
    assert 0 < summary["left"] == 17 - summary["done"]
    assert "the server is unavailable after" in printed.err
    assert "the same command goes on with them" in printed.err
    again = FakeServer()
    again.infos[3] = server.infos[3]
    try:
        assert run(again, *args) == 0
    finally:
        again.stop()
    summary = json.loads(capsys.readouterr().out)
    assert (summary["done"] + summary["skipped"], summary["left"]) == (17, 0)


@pytest.mark.slow
def test_server_that_is_restarted(server, project, tmp_path, capsys):
    """It is gone, then it loads; no image is lost, and the results are the same."""
    for number in range(12):
        write_item(project / "ds", f"x{number}.png")
    assert run(server, "--project", project, "--output", tmp_path / "plain") == 0
    port, later = server.port, []

    def restart():
        server.stop()
        time.sleep(4)
        later.append(FakeServer(port))
        later[0].infos[3] = server.infos[3]
        later[0].is_loading = True
        time.sleep(4)
        later[0].is_loading = False

    thread = threading.Thread(target=restart)
    calls = []

    def die(outputs):
        calls.append(1)
        if len(calls) == 5:
            thread.start()
            time.sleep(0.2)
        return outputs

    server.change = die
    out = tmp_path / "out"
    # Calls end long before the server is back: their images are put back.
    args = ["--project", project, "--output", out, "--in-flight", 2, "--timeout", 3]
    try:
        assert run(server, *args) == 0
    finally:
        thread.join()
        later[0].stop()
    printed = capsys.readouterr()
    summary = json.loads(printed.out.splitlines()[-1])
    assert (summary["done"], summary["failed"], summary["left"]) == (17, [], 0)
    for path in files(tmp_path / "plain") - {RECORD}:
        assert (out / path).read_bytes() == (tmp_path / "plain" / path).read_bytes()


def test_a_model_that_is_gone_stops_the_run(server, project, tmp_path, capsys):
    def go(outputs):
        server.name = "another"
        return outputs

    server.change = go
    args = ["--project", project, "--output", tmp_path / "out", "--in-flight", 1]
    assert run(server, *args) == 1
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert (summary["failed"], summary["done"] + summary["left"]) == ([], 5)
    assert "check the model's name and version" in printed.err


def command(server, project, out, *more):
    return [
        *(sys.executable, "-m", "client", "--project", str(project)),
        *("--server", server.address, "--output", str(out), *map(str, more)),
    ]


@pytest.mark.slow
def test_killed_runs_go_on(server, project, tmp_path):
    """SIGKILL at any time leaves whole files only; the rest is done later."""
    for number in range(20):
        write_item(project / "ds", f"x{number:02}.png", size=(60, 90))
    server.delay_s = 0.03
    out, more = tmp_path / "out", ["--draw", "--in-flight", "2"]
    more += ["--coco", tmp_path / "coco.json", "--report", tmp_path / "r.html"]
    kills = 0
    for wanted in (3, 12):
        process = subprocess.Popen(
            command(server, project, out, *more),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while len(list(out.rglob("ann/*.json"))) < wanted and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        for path in out.rglob("ann/*.json"):
            json.loads(path.read_text())
        for path in out.rglob("*.png"):
            assert cv2.imread(str(path)) is not None
    assert kills == 2
    assert not (tmp_path / "coco.json").exists()
    seen = len(server.requests)
    done = subprocess.run(
        command(server, project, out, *more), cwd=ROOT, check=True, capture_output=True
    )
    summary = json.loads(done.stdout)
    assert summary["skipped"] >= 12
    assert summary["done"] + summary["skipped"] == 25
    predicted = [r for r in server.requests[seen:] if "request" not in r.inputs]
    assert len(predicted) == summary["done"]
    whole = tmp_path / "whole"
    subprocess.run(
        command(server, project, whole, "--draw"),
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    assert files(out) == files(whole)
    for path in files(whole) - {RECORD}:
        assert (out / path).read_bytes() == (whole / path).read_bytes()
    assert len(json.loads((tmp_path / "coco.json").read_text())) == 50
    assert (tmp_path / "r.html").stat().st_size > 10_000


def test_two_runs_do_not_write_to_one_folder(server, project, tmp_path, capsys):
    server.delay_s = 0.3
    out = tmp_path / "out"
    with subprocess.Popen(
        command(server, project, out, "--in-flight", 1),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    ) as process:
        while not (out / "meta.json").exists():
            time.sleep(0.02)
        assert run(server, "--project", project, "--output", out) == 1
        assert "another run writes there" in capsys.readouterr().err
    assert process.returncode == 0


def test_coco_results(server, project, tmp_path):
    coco, out = tmp_path / "deep" / "results.json", tmp_path / "out"
    args = ["--project", project, "--output", out, "--coco", coco]
    assert run(server, *args) == 0
    results = json.loads(coco.read_text())
    assert len(results) == 10
    assert results[0]["bbox"] == [3.75, 5.0, 11.25, 10.0]
    assert (results[0]["category_id"], results[0]["score"]) == (1, 0.9375)
    images = json.loads((tmp_path / "deep" / "results.images.json").read_text())
    assert [i["file_name"] for i in images["images"]][:2] == [
        "ds/inner/a.png",
        "ds/inner/d.png",
    ]
    assert images["categories"] == [{"id": 1, "name": "fox"}, {"id": 2, "name": "owl"}]
    whole = tmp_path / "both.json"
    annotations = [{"id": i, **r} for i, r in enumerate(results)]
    whole.write_text(json.dumps(images | {"annotations": annotations}))
    opened = open_coco(whole)
    drawn = opened.objects(0, opened.read(0))
    assert [d.category for d in drawn] == ["fox", "owl"]
    requests = len(server.requests)
    before = coco.read_bytes()
    assert run(server, *args) == 0
    assert coco.read_bytes() == before
    assert len(server.requests) == requests + 3
    coco.unlink()
    assert run(server, *args) == 0
    assert coco.read_bytes() == before


def test_ids_of_coco_names(server, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("000000000139", "000000000025"):
        cv2.imwrite(str(folder / f"{name}.png"), np.zeros((20, 30, 3), np.uint8))
    args = [folder, "--output", tmp_path / "out", "--coco", tmp_path / "c.json"]
    assert run(server, *args) == 0
    results = json.loads((tmp_path / "c.json").read_text())
    assert [r["image_id"] for r in results] == [25, 25, 139, 139]


def test_report(server, project, tmp_path):
    (project / "ds" / "img" / "b.png").write_bytes(b"nothing")
    report = tmp_path / "report.html"
    args = ["--project", project, "--output", tmp_path / "out", "--report", report]
    assert run(server, *args) == 1
    text = report.read_text()
    assert text.count('<article class="card"') == 4
    assert "b.png: expected JPEG" in text
    assert "ds/inner/a.png" in text
    assert "http" not in text.replace("http-equiv", "")
    cv2.imwrite(str(project / "ds" / "img" / "b.png"), np.zeros((20, 30, 3), np.uint8))
    assert run(server, *args) == 0
    assert report.read_text().count('<article class="card"') == 5
    assert not (tmp_path / "out" / ".maskrcnn-run").exists()


def test_bboxes_need_a_project(server, project, tmp_path, capsys):
    config = write_config(tmp_path / "c.json", name="bboxes")
    args = [project / "ds" / "img", "--output", tmp_path / "out", "--config", config]
    assert run(server, *args) == 1
    assert "the mode needs the objects of an annotation" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["", "inner", ".."])
def test_output_apart_from_the_project(server, project, capsys, where):
    assert run(server, "--project", project, "--output", project / where) == 1
    assert "expected a folder apart from the project" in capsys.readouterr().err


def test_no_project(server, tmp_path, capsys):
    for path in (tmp_path / "missing", tmp_path):
        assert run(server, "--project", path, "--output", tmp_path / "out") == 1
        assert "error: " in capsys.readouterr().err
    (tmp_path / "meta.json").write_text(json.dumps(meta_json()))
    assert run(server, "--project", tmp_path, "--output", tmp_path / "out") == 1
    assert "expected a project with pictures, got none" in capsys.readouterr().err


def test_info(server, capsys):
    assert run(server, "--info") == 0
    printed = capsys.readouterr().out
    assert "mask_rcnn, version 3" in printed
    assert "bg, fox, owl" in printed


@pytest.mark.parametrize("args", [[], ["--info", "a.jpg"], ["--project", "p", "a.jpg"]])
def test_usage(capsys, args):
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert caught.value.code == 2
    assert "expected pictures, or --project, or --info" in capsys.readouterr().err
