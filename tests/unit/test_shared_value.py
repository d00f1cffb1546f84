"""Computations shared by the requests that wait for them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from receiver.shared_value import SharedValue

REQUESTS = 5


def test_requests_that_wait_share_one_computation_that_began_after_they_came() -> None:
    is_computing, may_end = threading.Event(), threading.Event()
    computed: list[float] = []

    def compute() -> int:
        computed.append(time.monotonic())
        is_computing.set()
        assert may_end.wait(10)
        return len(computed)

    shared = SharedValue(compute)
    with ThreadPoolExecutor(REQUESTS + 1) as pool:
        first = pool.submit(shared.get)
        assert is_computing.wait(10)
        others = [pool.submit(shared.get) for _ in range(REQUESTS)]
        while not all(one.running() for one in others):
            time.sleep(0.001)
        time.sleep(0.2)  # until each has noted when it came
        may_end.set()
        assert first.result(10) == 1
        assert {one.result(10) for one in others} == {2}


def test_a_later_request_gets_a_new_value_and_a_failure_is_not_shared() -> None:
    values = iter((1, 2, 0, 4))
    shared = SharedValue(lambda: 4 / next(values))
    assert [shared.get(), shared.get()] == [4, 2]
    with pytest.raises(ZeroDivisionError):
        shared.get()
    assert shared.get() == 1
