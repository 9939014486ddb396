"""Tasks on threads, results in order, few at a time: what keeps streaming constant in memory."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(tasks: Iterable[Callable[[], T]], workers: int) -> Iterator[T]:
    """Run tasks on threads and yield their results in the tasks' order.

    At most ``workers`` run and as many results wait. An error comes out where its result would; later tasks are dropped.

    Args:
        tasks: Taken one by one; may be endless.
        workers: Threads; 1 runs everything in the caller's.
    """
    if workers <= 1:
        for task in tasks:
            yield task()
        return
    source, waiting = iter(tasks), deque[Future[T]]()
    pool = ThreadPoolExecutor(workers)
    try:
        waiting.extend(pool.submit(task) for task in itertools.islice(source, 2 * workers))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(task) for task in itertools.islice(source, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
