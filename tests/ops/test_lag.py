import pytest

from chat.ops import lag
from chat.ops.lag import LoopLag


class Enough(Exception):
    pass


def watched(monkeypatch, delays):
    """A LoopLag that has slept so many times, each time waking so late."""
    clock = [100.0]
    delays = iter(delays)

    def sleep(seconds):
        late = next(delays, None)
        if late is None:
            raise Enough
        clock[0] += seconds + late

    monkeypatch.setattr(lag.time, "monotonic", lambda: clock[0])
    watch = LoopLag(sleep)
    with pytest.raises(Enough):
        watch.watch()
    return watch


def test_the_last_and_the_worst_lateness_are_kept(monkeypatch):
    watch = watched(monkeypatch, [0.001, 0.2, 0.01])

    assert watch.last == pytest.approx(0.01)
    assert watch.worst == pytest.approx(0.2)


def test_more_than_fifty_milliseconds_is_an_alarm(monkeypatch):
    assert watched(monkeypatch, [0, 0.049, 0.051, 1.0]).over == 2


def test_more_than_five_milliseconds_is_late(monkeypatch):
    watch = watched(monkeypatch, [0, 0.004, 0.006, 1.0])

    assert (watch.turns, watch.late) == (4, 2)


def test_waking_early_is_not_late(monkeypatch):
    watch = watched(monkeypatch, [-0.001])

    assert (watch.last, watch.worst, watch.over) == (0, 0, 0)


def test_what_the_loop_itself_used_of_the_processor_is_told_apart(monkeypatch):
    used = iter([0.0, 0.01, 0.01, 0.09, 0.09, 0.10])
    monkeypatch.setattr(lag.time, "thread_time", lambda: next(used, 0.10))

    watch = watched(monkeypatch, [0.3, 0.3, 0.3])

    assert watch.busy_worst == pytest.approx(0.08)
    assert watch.busy_over == 1
