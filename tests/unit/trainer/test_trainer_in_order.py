"""Work over threads: results in order, few items in flight, errors where they are due."""

import threading
from collections.abc import Iterator

import pytest
from visionft_api.spec.resources import ResourcesSpec
from visionft_trainer.data.in_order import AHEAD, in_order, worker_count


def test_results_come_in_the_order_of_the_items() -> None:
    gate = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            gate.wait(10)  # the first is done last
        elif item == 3:
            gate.set()
        return item * 10

    assert list(in_order(work, range(8), workers=4)) == [item * 10 for item in range(8)]


def test_items_are_taken_only_a_few_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    results = in_order(lambda item: item, items(), workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 3 + 2 * AHEAD + 1
    results.close()  # type: ignore[attr-defined]
    assert len(taken) <= 3 + 2 * AHEAD + 1


def test_an_error_is_raised_where_its_result_is_due() -> None:
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("two")
        return item

    results = in_order(work, range(9), workers=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)


def test_threads_follow_the_cpus_that_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)))
    assert worker_count(ResourcesSpec()) == 6
    assert worker_count(ResourcesSpec(cpu="2")) == 2
    assert worker_count(ResourcesSpec(cpu="500m")) == 1
    assert worker_count(ResourcesSpec(cpu="64")) == 6
