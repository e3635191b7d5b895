"""The limit of calls under way, step by step."""

import math
import threading

from client.transport.flow import Flow


def sent(flow, count):
    turns = [flow.turn() for _ in range(count)]
    assert all(flow.enter(turn, 0) for turn in turns)
    return turns


def test_no_limit_before_a_refusal():
    flow = Flow()
    for turn in sent(flow, 100):
        flow.leave(turn, answered=True)
    assert flow.limit == math.inf


def test_half_of_what_was_under_way_once_a_burst():
    flow = Flow()
    turns = sent(flow, 16)
    for turn in turns[:8]:
        flow.leave(turn, refusal="full")
    assert flow.limit == 8
    assert flow.refusal == "full"
    late = flow.turn()
    assert not flow.enter(late, 0)
    flow.leave(turns[8])  # of which nothing is known
    assert flow.limit == 8
    assert flow.enter(late, 0)
    flow.leave(late, refusal="full again")  # sent after the halving, among 8
    assert flow.limit == 4
    for turn in turns[9:]:
        flow.leave(turn, answered=True)
    assert flow.limit == 4 + 7
    assert flow.refusal == ""


def test_never_below_one_and_not_from_a_limit_that_grew():
    flow = Flow()
    for _ in range(5):
        (turn,) = sent(flow, 1)
        flow.leave(turn, refusal="full")
    assert flow.limit == 1
    for _ in range(100):
        (turn,) = sent(flow, 1)
        flow.leave(turn, answered=True)
    assert flow.limit == 101
    turns = sent(flow, 6)
    flow.leave(turns[0], refusal="full")
    assert flow.limit == 3


def test_who_began_first_goes_first():
    flow = Flow()
    first, busy = flow.turn(), sent(flow, 2)
    flow.leave(busy[0], refusal="full")
    assert flow.limit == 1
    order = []

    def wait(turn):
        assert flow.enter(turn, 60)
        order.append(turn.number)
        flow.leave(turn, answered=True)

    threads = [threading.Thread(target=wait, args=(busy[0],))]
    threads.append(threading.Thread(target=wait, args=(first,)))
    for thread in threads:
        thread.start()
    while len(flow._waiting) < 2:
        pass
    flow.limit = 0  # so that answers let in one after the other
    flow.leave(busy[1], answered=True)
    for thread in threads:
        thread.join(60)
    assert order == [0, 1]


def test_closing_wakes_who_waits():
    flow = Flow()
    turns = sent(flow, 2)
    flow.leave(turns[0], refusal="full")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(flow.enter(turns[0], None)))
    thread.start()
    while not flow._waiting:
        pass
    flow.close()
    thread.join(60)
    assert answers == [False]
    assert not flow.enter(flow.turn(), None)
