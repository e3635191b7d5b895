"""Runs a function over many things, several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
ItemOutcome = TypeVar("ItemOutcome")


def in_order(
    function: Callable[[Item], ItemOutcome], items: Iterable[Item], in_flight: int
) -> Iterator[tuple[Item, ItemOutcome]]:
    """Runs a function over items in threads.

    Args:
        function: raises nothing.
        items: may have no end; read as they are needed.
        in_flight: how many are under way at a time; no more items and outcomes are
            held.

    Yields:
        Each item with its outcome, in their order.

    Raises:
        ValueError: `in_flight` is below 1.
    """
    if in_flight < 1:
        raise ValueError(f"in_flight: expected >= 1, got {in_flight}")
    pool = ThreadPoolExecutor(in_flight, thread_name_prefix="client")
    waiting: deque[tuple[Item, Future[ItemOutcome]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) >= in_flight:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def as_they_come(
    function: Callable[[Item], ItemOutcome], items: Iterable[Item], in_flight: int
) -> Iterator[ItemOutcome]:
    """Runs a function over items in threads.

    Args:
        function: raises nothing.
        items: may have no end; read as they are needed.
        in_flight: how many are under way at a time; as many more wait for a thread, so
            that none waits for the caller.

    Yields:
        Outcomes, whichever comes first.

    Raises:
        ValueError: `in_flight` is below 1.
    """
    if in_flight < 1:
        raise ValueError(f"in_flight: expected >= 1, got {in_flight}")
    pool = ThreadPoolExecutor(in_flight, thread_name_prefix="client")
    waiting: set[Future[ItemOutcome]] = set()
    try:
        for item in items:
            waiting.add(pool.submit(function, item))
            if len(waiting) >= 2 * in_flight:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    finally:
        pool.shutdown(cancel_futures=True)
