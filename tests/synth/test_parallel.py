"""Results in order, errors in their place, few tasks ahead."""

import itertools
import threading

import pytest

from synth.parallel import cores, in_order


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_tasks(workers):
    assert list(in_order((lambda i=i: i * i for i in range(20)), workers)) == [i * i for i in range(20)]
    assert list(in_order([], workers)) == []
    assert cores() >= 1


def test_endless_tasks_are_taken_as_they_are_needed():
    taken = []

    def tasks():
        for i in itertools.count():
            taken.append(i)
            yield lambda i=i: i

    results = in_order(tasks(), 2)
    assert [next(results) for _ in range(5)] == list(range(5))
    results.close()
    assert len(taken) <= 5 + 4


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_where_its_result_would(workers):
    def fails():
        raise ValueError("third")

    results = in_order([lambda: 1, lambda: 2, fails, lambda: 4], workers)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="third"):
        next(results)


def test_tasks_run_beside_each_other():
    meeting = threading.Barrier(2, timeout=20)
    assert len(list(in_order([meeting.wait, meeting.wait], 2))) == 2
