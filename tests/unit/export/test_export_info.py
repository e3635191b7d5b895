"""What an export may say of its model is what clients take."""

import pytest

from export.errors import ExportError
from export.pipeline import checked_info
from serving.contract import ModelClass
from tests.fake_server import model_info


def with_class(title, color):
    return model_info(
        classes=(ModelClass(0, "bg", "#222222"), ModelClass(1, title, color))
    )


def test_what_clients_take():
    info = with_class("naïve 猫", "#00fF7f")
    assert checked_info(info) == info


@pytest.mark.parametrize(
    ("title", "color", "told"),
    [
        ("a\nb", "#00FF00", r"classes\[1\]\.title: expected a text without control"),
        ("t" * 600, "#00FF00", r"classes\[1\]\.title: expected a text of at most 512"),
        ("cat", "#F00", r"classes\[1\]\.color: expected .#RRGGBB., got '#F00'"),
        ("cat", "red", r"classes\[1\]\.color: expected .#RRGGBB., got 'red'"),
    ],
)
def test_what_they_refuse(title, color, told):
    message = f"no client would take this model: model information: {told}"
    with pytest.raises(ExportError, match=message):
        checked_info(with_class(title, color))
