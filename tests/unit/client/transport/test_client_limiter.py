"""The limit of calls under way, step by step."""

import math
import threading

from client.transport.limiter import Limiter


def sent(limiter, count):
    turns = [limiter.turn() for _ in range(count)]
    assert all(limiter.enter(turn, 0) for turn in turns)
    return turns


def test_no_limit_before_a_refusal():
    limiter = Limiter()
    for turn in sent(limiter, 100):
        limiter.leave(turn, answered=True)
    assert limiter.limit == math.inf


def test_half_of_what_was_under_way_once_a_burst():
    limiter = Limiter()
    turns = sent(limiter, 16)
    for turn in turns[:8]:
        limiter.leave(turn, refusal="full")
    assert limiter.limit == 8
    assert limiter.refusal == "full"
    late = limiter.turn()
    assert not limiter.enter(late, 0)
    limiter.leave(turns[8])  # of which nothing is known
    assert limiter.limit == 8
    assert limiter.enter(late, 0)
    limiter.leave(late, refusal="full again")  # sent after the halving, among 8
    assert limiter.limit == 4
    for turn in turns[9:]:
        limiter.leave(turn, answered=True)
    assert limiter.limit == 4 + 7
    assert limiter.refusal == ""


def test_never_below_one_and_not_from_a_limit_that_grew():
    limiter = Limiter()
    for _ in range(5):
        (turn,) = sent(limiter, 1)
        limiter.leave(turn, refusal="full")
    assert limiter.limit == 1
    for _ in range(100):
        (turn,) = sent(limiter, 1)
        limiter.leave(turn, answered=True)
    assert limiter.limit == 101
    turns = sent(limiter, 6)
    limiter.leave(turns[0], refusal="full")
    assert limiter.limit == 3


def test_who_began_first_goes_first():
    limiter = Limiter()
    first, busy = limiter.turn(), sent(limiter, 2)
    limiter.leave(busy[0], refusal="full")
    assert limiter.limit == 1
    order = []

    def wait(turn):
        assert limiter.enter(turn, 60)
        order.append(turn.number)
        limiter.leave(turn, answered=True)

    threads = [threading.Thread(target=wait, args=(busy[0],))]
    threads.append(threading.Thread(target=wait, args=(first,)))
    for thread in threads:
        thread.start()
    while len(limiter._waiting) < 2:
        pass
    limiter.limit = 0  # so that answers let in one after the other
    limiter.leave(busy[1], answered=True)
    for thread in threads:
        thread.join(60)
    assert order == [0, 1]


def test_closing_wakes_who_waits():
    limiter = Limiter()
    turns = sent(limiter, 2)
    limiter.leave(turns[0], refusal="full")
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(limiter.enter(turns[0], None))
    )
    thread.start()
    while not limiter._waiting:
        pass
    limiter.close()
    thread.join(60)
    assert answers == [False]
    assert not limiter.enter(limiter.turn(), None)
