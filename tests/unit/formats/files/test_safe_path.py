from __future__ import annotations

import pytest

from formats.errors import FormatError
from formats.files.safe_path import check_path, is_inside, path_problem


@pytest.mark.parametrize("path", ["a", "a/b.png", "..a/b..", "a b/ü.json", "c:d"[1:]])
def test_a_path_below_its_root_is_returned(path):
    assert check_path(path, "x") == path


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("../x.png", "leads out"),
        ("a/../../x.png", "leads out"),
        ("a/./b", "empty part"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("C:/x", "drive"),
        ("c:x", "drive"),
        ("a\0b", "NUL"),
        ("a/" + "b" * 256, "longer than 255 bytes"),
        ("a/" * 2048 + "b", "longer than 4096 bytes"),
        ("\ud800", "no file name can have"),
    ],
)
def test_what_leads_elsewhere_is_refused(path, problem):
    assert problem in path_problem(path)
    with pytest.raises(FormatError, match=r"^p\.tar: .*expected a path inside"):
        check_path(path, "p.tar")


def test_inside_follows_links(tmp_path):
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root / "sub")
    assert is_inside(root, root)
    assert is_inside(root / "in" / "x", root)
    assert not is_inside(root / "out" / "x", root)
    assert not is_inside(tmp_path / "root2", root)
