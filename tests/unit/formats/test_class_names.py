import pytest

from formats.class_names import COCO_CLASSES, read_class_names
from formats.errors import ConfigFileError


def test_names_of_a_flag_and_of_files(tmp_path):
    assert read_class_names("cat, dog,sea lion") == ("cat", "dog", "sea lion")
    for name, text in (
        ("n.txt", "cat\n\nsea lion\n"),
        ("n.json", '["cat","sea lion"]'),
    ):
        (tmp_path / name).write_text(text)
        assert read_class_names(str(tmp_path / name)) == ("cat", "sea lion")
    assert read_class_names(",".join(COCO_CLASSES)) == COCO_CLASSES
    assert read_class_names("a\0b") == ("a\0b",)


def test_files_that_name_no_classes(tmp_path):
    with pytest.raises(ConfigFileError, match="no such file of class names"):
        read_class_names(str(tmp_path / "no.txt"))
    (tmp_path / "n.json").write_text('{"cat": 1}')
    with pytest.raises(ConfigFileError, match="expected a JSON list of class names"):
        read_class_names(str(tmp_path / "n.json"))
    (tmp_path / "n.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigFileError, match="not readable as text"):
        read_class_names(str(tmp_path / "n.txt"))
