"""Version folders: numbering, replacement, and what failures leave behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from export import publish as module
from export.errors import ExportError
from export.publish import (
    check_version,
    folder_bytes,
    publish,
    staging_folder,
)
from serving.version_dirs import version_numbers


@pytest.fixture
def base(tmp_path):
    return tmp_path / "model"


def put(base, mark, version=None, *, overwrite=False):
    """Publishes a folder with one file through a staging folder."""
    with staging_folder(base) as folder:
        (folder / "mark").write_text(mark)
        return publish(folder, base, version, overwrite=overwrite)


def names(base):
    return sorted(path.name for path in base.iterdir())


def test_versions_count_on_from_the_highest(base):
    assert put(base, "a") == base / "1"
    assert put(base, "b") == base / "2"
    assert put(base, "c", 7) == base / "7"
    assert put(base, "d") == base / "8"
    assert names(base) == ["1", "2", "7", "8"]
    assert (base / "8" / "mark").read_text() == "d"


def test_an_older_number_may_be_chosen(base):
    put(base, "a", 7)
    assert put(base, "b", 3) == base / "3"
    assert version_numbers(base) == [3, 7]


def test_what_is_no_version_is_not_counted(base):
    for name in ("9a", "-3", ".export-7", "v12", "٣", "latest"):
        (base / name).mkdir(parents=True)
    (base / "40").write_text("a file")
    assert version_numbers(base) == []
    assert put(base, "a") == base / "1"


def test_versions_of_nothing(base):
    assert version_numbers(base) == []


def test_a_version_is_readable_for_other_users(base):
    """Staging folders are private; a server runs as somebody else."""
    assert put(base, "a").stat().st_mode & 0o777 == 0o755


def test_an_existing_version_is_kept(base):
    put(base, "old", 3)
    for attempt in (
        lambda: check_version(base, 3, overwrite=False),
        lambda: put(base, "new", 3),
    ):
        with pytest.raises(ExportError, match="this version exists; choose another"):
            attempt()
    assert names(base) == ["3"]
    assert (base / "3" / "mark").read_text() == "old"


def test_an_existing_version_is_replaced_when_asked(base):
    put(base, "old", 3)
    (base / "3" / "stale").write_text("of the old one")
    check_version(base, 3, overwrite=True)
    assert put(base, "new", 3, overwrite=True) == base / "3"
    assert names(base) == ["3"]
    assert names(base / "3") == ["mark"]
    assert (base / "3" / "mark").read_text() == "new"


def test_overwriting_what_does_not_exist_creates_it(base):
    assert put(base, "a", 5, overwrite=True) == base / "5"


def test_the_old_version_comes_back_when_the_new_one_cannot_be_placed(
    base, monkeypatch
):
    put(base, "old", 3)
    rename = Path.rename

    def fail_for_staged(self, target):
        if self.name.startswith(".export-"):
            raise OSError("disk went away")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_staged)
    with pytest.raises(ExportError, match="cannot be published: disk went away"):
        put(base, "new", 3, overwrite=True)
    assert names(base) == ["3"]
    assert (base / "3" / "mark").read_text() == "old"


def test_a_replaced_version_is_whole_or_absent_never_partly_there(base, monkeypatch):
    put(base, "old", 3)
    seen = []
    rename = Path.rename

    def watch(self, target):
        result = rename(self, target)
        seen.append((base / "3" / "mark").exists() or not (base / "3").exists())
        return result

    monkeypatch.setattr(Path, "rename", watch)
    put(base, "new", 3, overwrite=True)
    assert seen == [True, True]


def test_another_export_takes_the_next_number_first(base, monkeypatch):
    put(base, "first")
    counted = module.next_version
    taken = []

    def next_then_other(path):
        found = counted(path)
        if not taken:
            taken.append(path / "2")
            taken[0].mkdir()
            (taken[0] / "mark").write_text("other")
        return found

    monkeypatch.setattr(module, "next_version", next_then_other)
    assert put(base, "mine") == base / "3"
    assert (base / "2" / "mark").read_text() == "other"
    assert (base / "3" / "mark").read_text() == "mine"


def test_another_export_takes_the_chosen_number_first(base, monkeypatch):
    with staging_folder(base) as folder:
        (folder / "mark").write_text("mine")
        monkeypatch.setattr(module, "check_version", lambda *_, **__: None)
        (base / "4").mkdir()
        (base / "4" / "mark").write_text("other")
        with pytest.raises(ExportError, match="4: cannot be published"):
            publish(folder, base, 4, overwrite=False)
    assert names(base) == ["4"]
    assert (base / "4" / "mark").read_text() == "other"


def test_a_file_in_the_place_of_the_next_version_is_told(base):
    base.mkdir()
    (base / "1").write_text("a file")
    with pytest.raises(ExportError, match="1: cannot be published"):
        put(base, "mine")
    assert names(base) == ["1"]


def test_a_staging_folder_is_no_version_and_goes_away(base):
    with staging_folder(base) as folder:
        assert folder.parent == base, "a rename must not cross file systems"
        assert folder.name.startswith(".export-")
        assert version_numbers(base) == []
        (folder / "half").write_text("done")
    assert names(base) == []
    with pytest.raises(KeyError), staging_folder(base):
        raise KeyError
    assert names(base) == []


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_base_path_that_cannot_be_written(tmp_path, below):
    (tmp_path / "file").write_text("no folder")
    base = tmp_path / "file" / below
    with (
        pytest.raises(ExportError, match=r"cannot be written: .+; choose another"),
        staging_folder(base),
    ):
        raise AssertionError("entered")


def test_folder_bytes_counts_everything_below(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "x").write_bytes(b"12")
    (tmp_path / "a" / "b" / "y").write_bytes(b"345")
    assert folder_bytes(tmp_path) == 5


def test_what_a_killed_export_left_is_removed(base):
    """Nobody holds its lock any more."""
    left = base / ".export-left"
    (left / "variables").mkdir(parents=True)
    (left / "variables" / "half").write_text("of a model")
    assert put(base, "new") == base / "1"
    assert names(base) == ["1"]


def test_an_export_that_runs_keeps_its_folder(base):
    with staging_folder(base) as first:
        (first / "mark").write_text("first")
        assert put(base, "second") == base / "1"
        assert publish(first, base, None, overwrite=False) == base / "2"
    assert names(base) == ["1", "2"]
    assert (base / "2" / "mark").read_text() == "first"


def test_a_version_that_a_killed_export_took_away_comes_back(base):
    """Killed between the two renames of a replacement."""
    put(base, "old", 3)
    (base / ".replaced-left").mkdir()
    (base / "3").rename(base / ".replaced-left" / "3")
    with staging_folder(base) as folder:
        assert names(base) == [folder.name, "3"]
        assert (base / "3" / "mark").read_text() == "old"
    assert names(base) == ["3"]


def test_a_version_that_was_replaced_before_the_kill_is_removed(base):
    put(base, "new", 3)
    (base / ".replaced-left" / "3").mkdir(parents=True)
    (base / ".replaced-left" / "3" / "mark").write_text("old")
    put(base, "other", 4)
    assert names(base) == ["3", "4"]
    assert (base / "3" / "mark").read_text() == "new"


def test_links_and_files_named_like_left_folders_are_not_touched(base, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "7").mkdir(parents=True)
    base.mkdir()
    for name in (".export-link", ".replaced-link"):
        (base / name).symlink_to(elsewhere)
    (base / ".export-file").write_text("a file")
    put(base, "new")
    assert names(base) == [".export-file", ".export-link", ".replaced-link", "1"]
    assert (elsewhere / "7").is_dir()
