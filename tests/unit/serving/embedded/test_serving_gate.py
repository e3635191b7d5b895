from __future__ import annotations

import threading

import grpc
import pytest

from serving.embedded.errors import ServingError
from serving.embedded.gate import Gate, PendingCall


def _code(call):
    with pytest.raises(ServingError) as caught:
        call()
    return caught.value.code


def _enter(context):
    with context:
        pass


def test_admission_is_refused_at_once_when_full():
    gate = Gate(max_running=1, max_queued=1)
    with gate.admission(), gate.admission():
        refused = _code(lambda: _enter(gate.admission()))
    assert refused is grpc.StatusCode.UNAVAILABLE
    _enter(gate.admission())


def test_a_failing_request_gives_its_place_back():
    gate = Gate(max_running=1, max_queued=0)
    for _ in range(3):
        with pytest.raises(KeyError), gate.admission(), gate.slot(PendingCall(None)):
            raise KeyError
    assert gate.wait_idle(0)


def test_a_call_out_of_time_does_not_run():
    gate = Gate(max_running=1, max_queued=1)
    late = _code(lambda: _enter(gate.slot(PendingCall(0))))
    assert late is grpc.StatusCode.DEADLINE_EXCEEDED
    with gate.slot(PendingCall(None)):
        late = _code(lambda: _enter(gate.slot(PendingCall(0.01))))
    assert late is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_cancelled_call_leaves_the_queue_to_the_next():
    gate = Gate(max_running=1, max_queued=3)
    first, second, third = PendingCall(None), PendingCall(None), PendingCall(None)
    ran, codes = [], []

    def queue(call, name):
        try:
            with gate.slot(call):
                ran.append(name)
        except ServingError as err:
            codes.append(err.code)

    with gate.slot(first):
        threads = [
            threading.Thread(target=queue, args=(call, name))
            for call, name in ((second, "second"), (third, "third"))
        ]
        for thread in threads:
            thread.start()
        gate.cancel(second)
        threads[0].join()
        assert ran == []
    threads[1].join()
    assert (ran, codes) == (["third"], [grpc.StatusCode.CANCELLED])


@pytest.mark.parametrize("timeout_s", [None, 1e12, float("inf")])
def test_no_deadline(timeout_s):
    assert PendingCall(timeout_s).remaining_s() is None


def test_idle_is_when_nothing_is_admitted():
    gate = Gate(max_running=1, max_queued=0)
    with gate.admission():
        assert not gate.wait_idle(0)
    assert gate.wait_idle(0)
