"""Signals of a program: the first asks, the others end."""

import signal

import pytest

from serving.program.stop import Stop, handled


def test_the_first_signal_asks_and_the_others_end():
    told = []
    stop = Stop(lambda: told.append("first"), told.append)
    assert not stop.is_asked()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
        stop.heard(number)
    assert stop.is_asked()
    assert stop.number == signal.SIGTERM
    assert told == ["first", signal.SIGINT, signal.SIGINT]


def test_it_is_asked_before_it_tells():
    seen = []
    stop = Stop(lambda: seen.append(stop.is_asked()))
    stop.heard(signal.SIGINT)
    assert seen == [True]


def test_a_handler_may_raise_where_the_program_is():
    def end(number):
        raise SystemExit(128 + number)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught, handled(end, [signal.SIGTERM]):
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
