"""Weight files made to read elsewhere, to take memory or to end the process."""

import random
import shutil
import struct
import zipfile

import h5py
import numpy as np
import pytest

import models.hdf5_guard
import models.stored_arrays
from models.checkpoint import inspect_checkpoint, read_arrays
from models.errors import LISTED, WeightsError
from models.weight_archive import MAX_DIRECTORY_BYTES


def problems_of(path):
    with pytest.raises(WeightsError) as caught:
        read_arrays(inspect_checkpoint(path))
    assert str(path) in str(caught.value)
    return caught.value.problems


@pytest.fixture
def edit(tiny_file):
    def editing():
        return h5py.File(tiny_file, "r+")

    return editing


KERNEL = "mrcnn_mask/mrcnn_mask/kernel:0"


def test_soft_links_are_named(tiny_file, edit):
    with edit() as file:
        del file["fpn_p3"]
        file["fpn_p3"] = h5py.SoftLink("/fpn_p2")
    assert problems_of(tiny_file) == (
        "fpn_p3 is a link to /fpn_p2 of the file; links are not followed",
    )


def test_a_group_that_holds_itself(tiny_file, edit, tiny_arrays):
    with edit() as file:
        file["conv1/conv1/again"] = file["/"]
        file["fpn_p2/loop"] = file["fpn_p2"]
    assert read_arrays(inspect_checkpoint(tiny_file)).keys() == tiny_arrays.keys()


def test_deep_groups(tiny_file, edit):
    with edit() as file:
        file.create_group("/".join(["g"] * 40))
    (problem,) = problems_of(tiny_file)
    assert problem == f"group {'/'.join(['g'] * 32)} lies deeper than 32 groups"


def test_very_many_objects(tiny_file, edit, monkeypatch):
    monkeypatch.setattr(models.stored_arrays, "MAX_OBJECTS", 3000)
    with edit() as file:
        for index in range(3000):
            file.create_group(f"more/{index}")
    assert problems_of(tiny_file) == ("holds more than 3,000 objects",)


@pytest.mark.parametrize(
    "dtype", [h5py.string_dtype(), h5py.vlen_dtype(np.float32), h5py.ref_dtype]
)
def test_objects_for_numbers(tiny_file, edit, dtype):
    with edit() as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, (1, 1, 4, 3), dtype)
    assert problems_of(tiny_file) == (
        f"array {KERNEL} holds objects, expected numbers",
    )


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_fill_values_are_no_weights(tiny_file, edit, compression):
    """A shape costs nothing in a file; what was never written would read as zeros."""
    with edit() as file:
        del file[KERNEL]
        file.create_dataset(
            KERNEL, (1, 1, 4, 3), "f4", chunks=(1, 1, 4, 1), compression=compression
        )
    assert problems_of(tiny_file) == (f"array {KERNEL} was never written",)
    with edit() as file:
        file[KERNEL][0, 0, 0, 0] = 1
    assert problems_of(tiny_file) == (
        f"array {KERNEL} was written in part: 1 of 3 chunks",
    )


def test_claims_add_up(tiny_file, edit):
    """Many arrays below the limit of one are above the limit of all."""
    with edit() as file:
        for index in range(20):
            file.create_dataset(
                f"more/{index}",
                data=np.zeros((1 << 20,), "f4"),
                chunks=(1 << 20,),
                compression="gzip",
            )
    size = tiny_file.stat().st_size
    (problem,) = problems_of(tiny_file)
    assert problem.startswith("the arrays claim ")
    assert problem.endswith(f" bytes, more than a file of {size} bytes can hold")


def test_names_are_told_as_a_terminal_may_show_them(tiny_file, edit):
    with edit() as file:
        file["x\x1b[31m/kernel:0"] = np.zeros(1, "f4")
        file["y" * 5000] = np.zeros(1, "f4")
    first, second = problems_of(tiny_file)
    assert first == r"unexpected array x\x1b[31m/kernel:0"
    assert second == "unexpected array " + "y" * 197 + "..."


def test_long_lists_end(tiny_file, edit):
    with edit() as file:
        for index in range(2 * LISTED):
            file[f"more/{index}"] = np.zeros(1, "f4")
    with pytest.raises(WeightsError) as caught:
        read_arrays(inspect_checkpoint(tiny_file))
    assert len(caught.value.problems) == 2 * LISTED
    text = str(caught.value)
    assert text.count("\n") == LISTED + 2
    assert f"  and {LISTED} more\n" in text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"<!doctype html><html>", "is a web page"),
        (b"\x1f\x8b\x08\x00", "is compressed by gzip"),
    ],
)
def test_what_a_download_left(tmp_path, content, told):
    (tmp_path / "w.h5").write_bytes(content)
    (problem,) = problems_of(tmp_path / "w.h5")
    assert told in problem


def test_a_device_is_no_file(tmp_path):
    import os

    os.mkfifo(tmp_path / "w.h5")
    assert problems_of(tmp_path / "w.h5") == (
        "is no file but a device, pipe or socket",
    )


# Files of HDF5's newer format


@pytest.fixture
def newer_file(tiny_file, tmp_path):
    path = tmp_path / "newer.h5"
    with h5py.File(tiny_file) as old, h5py.File(path, "w", libver="latest") as new:
        old.visititems(
            lambda name, item: (
                (
                    new.create_dataset(name, data=item[()])
                    if isinstance(item, h5py.Dataset)
                    else None
                )
                and None
            )
        )
    return path


def test_the_newer_format_is_read(newer_file, tiny_arrays):
    arrays = read_arrays(inspect_checkpoint(newer_file))
    assert all(np.array_equal(arrays[key], tiny_arrays[key]) for key in tiny_arrays)


@pytest.mark.parametrize("part", [b"FHDB", b"BTLF"])
def test_damage_of_the_newer_format_ends_no_process(newer_file, part):
    """Each of these ends a process that reads it with HDF5 1.14."""
    content = bytearray(newer_file.read_bytes())
    content[content.index(part) + 10] ^= 0xFF
    newer_file.write_bytes(content)
    (problem,) = problems_of(newer_file)
    assert problem.startswith("damaged HDF5 file: ")


def test_files_that_hang_a_process_are_refused(newer_file, monkeypatch):
    monkeypatch.setattr(models.hdf5_guard, "TIMEOUT_S", 0.01)
    assert problems_of(newer_file) == (
        "damaged HDF5 file: reading it does not end within 0.01 s",
    )


def test_names_of_variable_length_are_read_elsewhere_first(tmp_path, monkeypatch):
    """Damage of their store hangs HDF5 1.14."""
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("layers/conv2d/vars").attrs["name"] = "conv1"
    monkeypatch.setattr(models.hdf5_guard, "TIMEOUT_S", 0.01)
    (problem,) = problems_of(path)
    assert problem.endswith("does not end within 0.01 s")


def test_the_old_format_starts_no_process(tiny_file, monkeypatch):
    monkeypatch.setattr(models.hdf5_guard, "subprocess", None)
    read_arrays(inspect_checkpoint(tiny_file))


# Zip files


def zipped(folder, *members, method=zipfile.ZIP_DEFLATED):
    """Writes members, each (name or ZipInfo, bytes)."""
    path = folder / "w.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("name", ["w.h5", "deep/er/weights.bin", "../../w.h5"])
def test_zip_around_weights(tiny_file, tiny_arrays, tmp_path, method, name):
    path = zipped(
        tmp_path,
        ("deep/", b""),
        (name, tiny_file.read_bytes()),
        ("__MACOSX/._w.h5", b"\0"),
        method=method,
    )
    before = sorted(tmp_path.parent.iterdir())
    arrays = read_arrays(inspect_checkpoint(path))
    assert all(np.array_equal(arrays[key], tiny_arrays[key]) for key in tiny_arrays)
    assert sorted(tmp_path.parent.iterdir()) == before


def test_the_content_decides(tiny_file, tiny_arrays, tmp_path):
    path = zipped(tmp_path, ("w.h5", tiny_file.read_bytes()))
    shutil.move(path, tmp_path / "w.h5")
    assert read_arrays(inspect_checkpoint(tmp_path / "w.h5")).keys() == (
        tiny_arrays.keys()
    )


def test_an_h5_file_with_the_end_of_a_zip(tiny_file, tiny_arrays, tmp_path):
    empty = zipped(tmp_path)
    with tiny_file.open("ab") as file:
        file.write(empty.read_bytes())
    assert read_arrays(inspect_checkpoint(tiny_file)).keys() == tiny_arrays.keys()


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([], "holds 0 files, expected one: none"),
        (
            [("a.h5", b"1"), ("b\x1b.h5", b"2")],
            r"holds 2 files, expected one: a.h5, b\x1b.h5",
        ),
        (
            [(f"{i}", b"1") for i in range(8)],
            "holds 8 files, expected one: 0, 1, 2, 3, 4 and 3 more",
        ),
        ([("w.h5", b"text")], "not a readable HDF5 file, or cut short"),
    ],
)
def test_other_zip_files(tmp_path, members, told):
    (problem,) = problems_of(zipped(tmp_path, *members))
    assert problem.startswith(told)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(tmp_path):
    path = zipped(tmp_path, ("w.h5", b"1"), ("w.h5", b"2"))
    assert problems_of(path) == ("holds a name twice",)


def test_a_link(tmp_path):
    link = zipfile.ZipInfo("w.h5")
    link.external_attr = 0o120777 << 16
    assert problems_of(zipped(tmp_path, (link, "/etc/passwd"))) == ("w.h5 is a link",)


def patched(path, signature, offset, value):
    """Changes bytes of every record that starts with a signature."""
    content = bytearray(path.read_bytes())
    at = -1
    while (at := content.find(signature, at + 1)) >= 0:
        content[at + offset : at + offset + len(value)] = value
    path.write_bytes(content)
    return path


def test_an_encrypted_file(tmp_path):
    path = patched(zipped(tmp_path, ("w.h5", b"1" * 99)), b"PK\1\2", 8, b"\1\0")
    assert problems_of(path) == ("w.h5 is encrypted",)


def test_a_way_to_compress_that_is_not_read(tmp_path):
    path = zipped(tmp_path, ("w.h5", b"1" * 99), method=zipfile.ZIP_LZMA)
    (problem,) = problems_of(path)
    assert problem.startswith("w.h5 is compressed in a way that is not read")


def test_a_zip_bomb_is_refused_by_its_claim(tmp_path, monkeypatch):
    monkeypatch.setattr("models.weight_archive.SMALL_BYTES", 1 << 20)
    path = zipped(tmp_path, ("w.h5", bytes(8 << 20)))
    (problem,) = problems_of(path)
    assert problem == "w.h5 claims 8388608 bytes, more than the archive can hold"


def test_a_zip_bomb_that_lies_is_cut(tmp_path, monkeypatch):
    """Python reads no more of a member than it claims."""
    monkeypatch.setattr("models.weight_archive.SMALL_BYTES", 1 << 20)
    path = zipped(tmp_path, ("w.h5", bytes(8 << 20)))
    patched(path, b"PK\1\2", 24, struct.pack("<I", 1000))
    (problem,) = problems_of(path)
    assert problem.startswith("damaged zip file: Bad CRC-32")


def test_a_list_of_very_many_members(tmp_path):
    path = zipped(tmp_path, *((f"{i}", b"") for i in range(1001)))
    assert problems_of(path) == ("holds more than 1,000 files or more than 4 GB",)
    path = zipped(tmp_path, ("w.h5", b"1"))
    patched(path, b"PK\5\6", 12, struct.pack("<I", MAX_DIRECTORY_BYTES + 1))
    assert problems_of(path) == ("holds more than 1,000 files or more than 4 GB",)


def test_a_full_disk_while_unpacking(tiny_file, tmp_path):
    from tests.full_disk import longest_file

    path = zipped(tmp_path, ("w.h5", tiny_file.read_bytes()))
    with longest_file(1 << 16):
        (problem,) = problems_of(path)
    assert problem.startswith("cannot be unpacked into ")
    assert problem.endswith("File too large")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "h5"])
def test_random_damage_is_told(tiny_file, tmp_path, kind):
    """Every file is read or refused with the one error, whatever is broken."""
    path = tiny_file
    if kind == "zip":
        path = zipped(tmp_path, ("w.h5", tiny_file.read_bytes()))
    content = path.read_bytes()
    rng = random.Random(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 4, 30))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged[: rng.choice((len(damaged), rng.randrange(99_999)))])
        try:
            read_arrays(inspect_checkpoint(path))
        except WeightsError:
            refused += 1
    assert refused > 50
