import pytest

from formats.terminal import for_terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b/ü 図.png", "a b/ü 図.png"),
        ("one\ntwo", "one\ntwo"),
        ("\x1b[31mred\r\x07", "\\x1b[31mred\\r\\x07"),
        ("a\u202eb\udce4", "a\\u202eb\\udce4"),
    ],
)
def test_what_a_terminal_acts_on_is_escaped(text, shown):
    assert for_terminal(text) == shown
