"""Work spread over threads, results in the order of the items, few of either in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from visionft_api.quantities import parse_cpu
from visionft_api.spec import ResourcesSpec

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 2  # items handed to each thread beyond the one that is waited for
MAX_WORKERS = 16  # beyond, one thread reading rows cannot keep the others busy


def worker_count(resources: ResourcesSpec) -> int:
    """Threads for reading pictures: the CPUs that `spec.resources.cpu` allows or, where it is absent, the visible."""
    visible = len(os.sched_getaffinity(0))
    allowed = visible if resources.cpu is None else int(parse_cpu(resources.cpu))
    return max(1, min(allowed, visible, MAX_WORKERS))


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """`work(item)` of every item, in the items' order; `workers` threads, at most `workers * AHEAD` items in flight.

    An exception of `work` is raised where its result is due. When the caller stops, what has not begun is dropped.
    """
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="visionft-read")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
