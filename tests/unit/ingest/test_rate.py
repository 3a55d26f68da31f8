"""Token buckets: the burst, the long run, the wait that is told, and that memory is bounded."""

from visionft_operator.ingest.rate import RateLimiter


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_wait_is_told():
    time = Time()
    limiter = RateLimiter(per_second=0.5, burst=3, tracked=10, monotonic=time)
    assert [limiter.take("a") for _ in range(4)] == [0, 0, 0, 2]
    assert limiter.take("b") == 0


def test_after_the_wait_that_was_told_it_passes():
    time = Time()
    limiter = RateLimiter(per_second=0.4, burst=1, tracked=10, monotonic=time)
    limiter.take("a")
    time.now += limiter.take("a")
    assert limiter.take("a") == 0


def test_refused_calls_do_not_prolong_the_wait():
    time = Time()
    limiter = RateLimiter(per_second=1, burst=1, tracked=10, monotonic=time)
    limiter.take("a")
    for _ in range(9):
        time.now += 0.1
        assert limiter.take("a") == 1
    time.now += 0.11
    assert limiter.take("a") == 0


def test_silence_saves_up_no_more_than_the_burst():
    time = Time()
    limiter = RateLimiter(per_second=1, burst=2, tracked=10, monotonic=time)
    limiter.take("a")
    time.now += 3600
    assert [limiter.take("a") == 0 for _ in range(3)] == [True, True, False]


def test_the_longest_silent_keys_are_forgotten_first():
    time = Time()
    limiter = RateLimiter(per_second=0.001, burst=1, tracked=2, monotonic=time)
    limiter.take("a")
    limiter.take("b")
    limiter.take("a")
    limiter.take("c")
    assert len(limiter) == 2
    assert limiter.take("a") > 0
    assert limiter.take("b") == 0
