import bz2
import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest

from formats import FormatError
from formats.files import archive
from formats.supervisely.project import open_project
from formats.supervisely.project_files import open_files
from tests.factories import write_image, write_project

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def tar_of(*members):
    """Returns a tar of (name, content), or of a TarInfo."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                made.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            made.addfile(info, io.BytesIO(member[1]))
    return stream.getvalue()


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def directory_moved(data):
    """Returns a zip that says of its directory that it lies 5 bytes further on."""
    at = data.rindex(b"PK\5\6") + 16
    offset = int.from_bytes(data[at : at + 4], "little") + 5
    return data[:at] + offset.to_bytes(4, "little") + data[at + 4 :]


def zip_of(*members, mode=None, flags=0):
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as made:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in members:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name
            info.compress_type = zipfile.ZIP_DEFLATED
            if mode is not None:
                info.external_attr = mode << 16
            made.writestr(info, content)
    data = bytearray(stream.getvalue())
    if flags:
        for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            data[data.find(signature) + at] |= flags
    return bytes(data)


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def refused(path, data, match):
    path.write_bytes(data)
    with pytest.raises(FormatError, match=match):
        open_files(path)


@pytest.mark.parametrize("name", ["p.zip", "named like nothing"])
def test_zip_equals_folder(tmp_path, name):
    root = write_project(tmp_path / "p")
    packed = tmp_path / name
    shutil.move(shutil.make_archive(tmp_path / "made", "zip", tmp_path, "p"), packed)
    made, folder = open_project(packed), open_project(root)
    assert made.items == folder.items
    for item in folder.items:
        assert made.read(item.image) == folder.read(item.image)
        assert made.content(item) == folder.content(item)
    assert made.locate("meta.json") == f"{packed}:p/meta.json"


def test_zip_of_windows_with_backslashes(tmp_path):
    root = write_project(tmp_path / "p")
    files = [p for p in root.rglob("*") if p.is_file()]
    members = [
        (str(p.relative_to(root)).replace("/", "\\"), p.read_bytes()) for p in files
    ]
    (tmp_path / "p.zip").write_bytes(zip_of(*members, ("ds\\img\\", b"")))
    assert open_project(tmp_path / "p.zip").items == open_project(root).items


@pytest.mark.parametrize("packer", PACKERS)
def test_nothing_of_an_archive_stays(tmp_path, packer, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "temporary").mkdir()
    (tmp_path / "p").write_bytes(PACKERS[packer](tar_of(("a", b"x" * 99))))
    files = open_files(tmp_path / "p")
    assert files.read("a") == b"x" * 99
    assert not list((tmp_path / "temporary").iterdir())
    before = open_descriptors()
    del files
    assert open_descriptors() == before - 1


@pytest.mark.parametrize("packer", PACKERS)
def test_streams_may_follow_each_other(tmp_path, packer):
    data, pack = (
        tar_of(("a", os.urandom(300_000)), ("b", b"y" * 2_000_000)),
        PACKERS[packer],
    )
    (tmp_path / "p").write_bytes(pack(data[:7000]) + pack(data[7000:]) + b"\0" * 5000)
    assert open_files(tmp_path / "p").read("b") == b"y" * 2_000_000
    refused(tmp_path / "q", pack(data)[:-30], "damaged: it is cut off|damaged")
    refused(tmp_path / "r", pack(data) + b"more", "archive is damaged")


@pytest.mark.parametrize(
    ("member", "match"),
    [
        (("../img/x.png", b""), r"leads out of its folder \(\.\.\)"),
        (("ds/../../x", b""), "leads out"),
        (("/etc/x", b""), "it is absolute"),
        (("C:/x", b""), "names a drive"),
        (("ds//x", b""), "empty part"),
        (("ds/" + "x" * 256, b""), "longer than 255 bytes"),
        (special("ds/l", tarfile.SYMTYPE, "/etc"), "symbolic link; pack with tar --d"),
        (special("ds/l", tarfile.LNKTYPE, "../x"), "hard link to nothing before it"),
        (special("ds/l", tarfile.FIFOTYPE), "got a pipe"),
        (special("ds/l", tarfile.CHRTYPE), "got a device"),
        (special("ds/l", tarfile.BLKTYPE), "got a device"),
        (special("ds/l", b"Z"), "got something else"),
        (special("../d", tarfile.DIRTYPE), "leads out"),
    ],
)
@pytest.mark.parametrize("packer", [*PACKERS, None])
def test_members_of_tars_that_are_refused(tmp_path, member, match, packer):
    data = tar_of(("meta.json", b"{}"), member)
    data = PACKERS[packer](data) if packer else data
    refused(tmp_path / "p.tar", data, rf"p\.tar: member.*{match}")


def test_duplicates_are_refused(tmp_path):
    twice = (("a", b"1"), ("a", b"2"))
    refused(tmp_path / "p.tar", tar_of(*twice), "member a: .* got it twice")
    refused(tmp_path / "p.zip", zip_of(*twice), "member a: .* got it twice")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (zip_of(("../x", b"")), "leads out"),
        (zip_of(("/x", b"")), "absolute"),
        (zip_of(("..\\x", b"")), "leads out"),
        (zip_of(("a", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "got a link"),
        (zip_of(("a", b""), mode=stat.S_IFIFO | 0o777), "got a device or a pipe"),
        (zip_of(("a", b"1"), flags=1), "expected no password, got an encrypted file"),
        (zip_of(("a", b"1"))[:-9], "archive is damaged"),
        (directory_moved(zip_of(("a", b"1"))), "it names a place outside of itself"),
        (zip_of(("a", b"1")).replace(b"PK\x01\x02", b"PK\x01\x03"), "is damaged"),
    ],
)
def test_members_of_zips_that_are_refused(tmp_path, data, match):
    refused(tmp_path / "p.zip", data, match)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"7z\xbc\xaf'\x1c" + bytes(600), "got a 7z archive; unpack it"),
        (b"Rar!\x1a\x07" + bytes(600), "got a rar archive"),
        (b"(\xb5/\xfd" + bytes(600), "got a Zstandard file"),
        (b"hello", "got a file that starts with b'hello'"),
        (b"", "got a file that starts with b''"),
    ],
)
def test_other_files_are_named(tmp_path, data, match):
    refused(tmp_path / "p", data, match)


def test_pipes_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "p")
    with pytest.raises(FormatError, match="expected a folder or an archive"):
        open_files(tmp_path / "p")


@pytest.mark.parametrize("packer", PACKERS)
def test_bombs_stop_at_what_is_allowed(tmp_path, packer, monkeypatch):
    monkeypatch.setattr(archive, "FREE_BYTES", 2_000_000)
    taken = []
    take = archive._Budget.take
    monkeypatch.setattr(
        archive._Budget, "take", lambda self, n: (taken.append(n), take(self, n))
    )
    path = tmp_path / "p"
    path.write_bytes(PACKERS[packer](tar_of(("a", bytes(30_000_000)))))
    with pytest.raises(FormatError, match="at most 200 times its"):
        open_files(path, 10**9)
    assert sum(taken) <= max(2_000_000, 200 * path.stat().st_size) + 2**20
    taken.clear()
    with pytest.raises(FormatError, match="more with --max-archive-bytes"):
        open_files(path, 1_500_000)
    assert sum(taken) <= 1_500_000 + 2**20


def test_zip_bombs_stop_too(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "FREE_BYTES", 2_000_000)
    (tmp_path / "p").write_bytes(zip_of(("a", bytes(30_000_000))))
    with pytest.raises(FormatError, match="at most 200 times its"):
        open_files(tmp_path / "p", 10**9)
    with pytest.raises(FormatError, match="at most 1,000 bytes, got more"):
        open_files(tmp_path / "p", 1000)


def test_no_room_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "SHARE_OF_DISK", 0.0)
    (tmp_path / "p").write_bytes(zip_of(("a", b"123")))
    with pytest.raises(FormatError, match=r"at most 0 bytes, for which .* with TMPDIR"):
        open_files(tmp_path / "p")


def test_headers_of_tars_are_bounded(tmp_path):
    info = tarfile.TarInfo("a")
    info.pax_headers = {"comment": "x" * 3_000_000}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as made:
        made.addfile(info)
    refused(tmp_path / "p", stream.getvalue(), "headers of at most 1,048,576 bytes")


@pytest.mark.parametrize("kind", [b"0", b"x", b"L", b"g", b"Z"])
@pytest.mark.parametrize("size", [-1024, -512, 2**62])
def test_sizes_of_members_that_make_no_sense(tmp_path, kind, size):
    made = bytearray(tar_of(("a", b""), ("b", b""), ("c", b""))[:1536])
    made[512 + 124 : 512 + 136] = (size % 2**96 | (size > 0) << 95).to_bytes(12, "big")
    made[512 + 156 : 512 + 157] = kind
    made[512 + 148 : 512 + 156] = b" " * 8
    made[512 + 148 : 512 + 156] = b"%06o\0 " % sum(made[512:1024])
    refused(tmp_path / "p", bytes(made) + bytes(1024), "the tar is damaged|member")


def test_streams_with_nothing_in_them_are_bounded(tmp_path):
    data = gzip.compress(b"") * 20_000
    refused(tmp_path / "p", data, "very many streams")


def test_index_of_zips_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_ZIP_INDEX_BYTES", 100)
    refused(tmp_path / "p", zip_of(*((str(i), b"") for i in range(9))), "an index of")
    monkeypatch.undo()
    monkeypatch.setattr(archive, "MAX_ZIP_ENTRIES", 8)
    refused(
        tmp_path / "q", zip_of(*((str(i), b"") for i in range(9))), "8 files, got 9"
    )


def test_files_are_bounded(tmp_path):
    write_image(tmp_path / "a.png")
    files = open_files(tmp_path)
    size = (tmp_path / "a.png").stat().st_size
    assert len(files.read("a.png", size)) == size
    with pytest.raises(FormatError, match=f"at most {size - 1} bytes, got {size}"):
        files.read("a.png", size - 1)
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(FormatError, match="got 1,099,511,627,776"):
        files.read("sparse.png")
    assert files.start("sparse.png", 8) == bytes(8)
