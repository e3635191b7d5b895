import os
import socket

import pytest

from formats import FormatError
from formats.files import folder_walk
from formats.files.folder_walk import list_folder
from formats.files.left_out import LeftOut
from formats.files.regular_file import read_regular


def listed(root, **options):
    left_out = LeftOut()
    return list_folder(str(root), left_out, **options), left_out.lines()


def write(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")


def test_links_are_followed_inside_only(tmp_path):
    root = tmp_path / "root"
    write(tmp_path, "secret/key", "root/pool/a", "root/pool/b")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "key").symlink_to(tmp_path / "secret" / "key")
    (root / "in").symlink_to("pool")
    (root / "file").symlink_to(root / "pool" / "a")
    (root / "nowhere").symlink_to(root / "missing")
    paths, told = listed(root)
    assert paths == ["file", "in/a", "in/b", "nowhere", "pool/a", "pool/b"]
    (line,) = told
    assert line.startswith("2 links leading out of the folder: ")
    (tmp_path / "again").symlink_to(root)
    assert listed(tmp_path / "again")[0] == paths


def test_a_folder_of_images_may_have_links_to_files(tmp_path):
    write(tmp_path, "elsewhere/a", "elsewhere/inner/b", "root/.hidden", "root/.h/c")
    root = tmp_path / "root"
    (root / "a").symlink_to(tmp_path / "elsewhere" / "a")
    (root / "inner").symlink_to(tmp_path / "elsewhere" / "inner")
    assert listed(root, strict=False) == (
        ["a"],
        ["1 link leading out of the folder: inner"],
    )


def test_pipes_and_sockets_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
        paths, told = listed(tmp_path)
    assert paths == []
    assert told == [
        "3 files of a special kind (pipe, socket or device): pipe, socket, link"
    ] or told == [
        "3 files of a special kind (pipe, socket or device): socket, pipe, link"
    ]
    with pytest.raises(FormatError, match="expected a file, got a folder or a device"):
        read_regular(str(tmp_path / "pipe"))


def test_circles_are_cut(tmp_path):
    write(tmp_path, "a/file")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to("self")
    paths, told = listed(tmp_path)
    assert paths == ["a/file", "a/self"]
    assert told == ["1 link leading in a circle: a/up"]


@pytest.mark.parametrize("count", [8, 24])
def test_folders_that_show_each_other_cost_no_more_than_there_are(
    tmp_path, count, monkeypatch
):
    for number in range(count):
        write(tmp_path, f"{number}/file")
        for other in range(count):
            (tmp_path / str(number) / f"to{other}").symlink_to(tmp_path / str(other))
    scanned = []
    entries = folder_walk._Walk._entries
    monkeypatch.setattr(
        folder_walk._Walk,
        "_entries",
        lambda self, f: (scanned.append(f), entries(self, f))[1],
    )
    paths, _ = listed(tmp_path)
    assert len(scanned) <= 1 + count * (folder_walk.MAX_SHOWN + 1)
    assert {f"{number}/file" for number in range(count)} <= set(paths)


def test_files_are_counted(tmp_path, monkeypatch):
    write(tmp_path, "a", "b", "c")
    monkeypatch.setattr(folder_walk, "MAX_FILES", 2)
    with pytest.raises(FormatError, match="at most 2 files, got more"):
        listed(tmp_path)


def test_deep_folders_are_listed(tmp_path):
    deep = "d/" * 900
    for depth in range(1, 901):
        (tmp_path / deep[: 2 * depth]).mkdir()
    write(tmp_path / deep, "file")
    assert listed(tmp_path)[0] == [f"{deep}file"]
