"""Progress: a bar on a terminal, lines elsewhere."""

import io
import re
import sys

import pytest

from serving.program.terminal import Bar, write


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def shown(self):
        """Returns what was written, without the codes that move the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue())


@pytest.fixture
def on_terminal(monkeypatch):
    """Puts a terminal in place of stderr, once the test itself runs."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")

    def start():
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        return terminal

    return start


def test_nothing_written_acts_on_the_terminal(capsys):
    write("a\x1b[2J\nb")
    assert capsys.readouterr().err == "a\\u001b[2J\nb\n"


def test_only_lines_where_there_is_no_terminal(capsys):
    with Bar("pictures") as bar:
        assert not bar.is_shown
        bar.move(1, 2)
        bar.write("failed: \x1bc")
    assert capsys.readouterr().err == "failed: \\u001bc\n"


def test_a_bar_with_what_is_left(on_terminal):
    terminal = on_terminal()
    with Bar("pictures") as bar:
        assert bar.is_shown
        bar.move(1, 4)
        bar.write("failed: [b]x[/b]\x1bc")
        bar.move(3, 4)
    shown = terminal.shown()
    assert "failed: [b]x[/b]\\u001bc\n" in shown
    assert re.search(r"pictures .* 3/4 ", shown)


def test_a_bar_with_a_note(on_terminal):
    terminal = on_terminal()
    bar = Bar("epoch", has_note=True)
    bar.start(10, 20)
    bar.move(15, 20, title="epoch 1.50", note="2.0 min left  loss [0.125]")
    bar.stop()
    assert re.search(
        r"epoch 1\.50 .* 15/20 .* 2\.0 min left  loss \[0\.125\]", terminal.shown()
    )
    bar.write("after it")
    assert terminal.shown().endswith("after it\n")
