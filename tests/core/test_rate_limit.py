import pytest

from chat.core.errors import RateLimited
from chat.core.rate_limit import Buckets, Limiter, in_words, network_of
from config import Limit


class Clock:
    """A monotonic clock that only moves when told."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    def forward(self, seconds):
        self.seconds += seconds


class Settings:
    def __init__(self, limit, rate_limits=True):
        self._limit, self.rate_limits = limit, rate_limits

    def limit(self, verb):
        return self._limit


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limiter(clock):
    return Limiter(Settings(Limit(3, 0.5)), Buckets(monotonic=clock))


def use_up(limiter, subject):
    for _ in range(3):
        limiter.take("send", subject)


def test_the_burst_is_allowed_and_the_next_one_refused_with_the_time_to_wait(limiter):
    use_up(limiter, 1)

    with pytest.raises(RateLimited) as refused:
        limiter.take("send", 1)

    assert refused.value.retry_after == 2.0
    assert refused.value.message == "You are writing very fast. Try again in 2 seconds."


def test_waiting_as_long_as_told_is_enough(limiter, clock):
    use_up(limiter, 1)
    clock.forward(2.0)
    limiter.take("send", 1)
    clock.forward(1.95)

    with pytest.raises(RateLimited) as refused:
        limiter.take("send", 1)
    assert refused.value.retry_after == 0.1  # rounded up, so that trying then succeeds

    clock.forward(refused.value.retry_after)
    limiter.take("send", 1)


def test_a_refused_attempt_does_not_make_the_wait_longer(limiter):
    use_up(limiter, 1)
    waits = set()
    for _ in range(5):
        with pytest.raises(RateLimited) as refused:
            limiter.take("send", 1)
        waits.add(refused.value.retry_after)

    assert waits == {2.0}


def test_people_and_verbs_have_buckets_of_their_own(limiter):
    use_up(limiter, 1)

    limiter.take("send", 2)
    limiter.take("edit", 1)


def test_checking_takes_nothing(limiter):
    for _ in range(10):
        limiter.check("send", 1)

    use_up(limiter, 1)
    with pytest.raises(RateLimited):
        limiter.check("send", 1)


def test_what_was_given_back_can_be_taken_again(limiter):
    use_up(limiter, 1)
    limiter.give_back("send", 1)
    limiter.take("send", 1)

    with pytest.raises(RateLimited):
        limiter.take("send", 1)


def test_giving_back_never_fills_a_bucket_above_its_burst(limiter):
    for _ in range(5):
        limiter.take("send", 1)
        limiter.give_back("send", 1)
        limiter.give_back("send", 1)

    use_up(limiter, 1)
    with pytest.raises(RateLimited):
        limiter.take("send", 1)


def test_a_long_pause_allows_one_burst_and_no_more(limiter, clock):
    use_up(limiter, 1)
    clock.forward(10_000)
    use_up(limiter, 1)

    with pytest.raises(RateLimited):
        limiter.take("send", 1)


def test_switched_off_nothing_is_refused_or_remembered(clock):
    limiter = Limiter(Settings(Limit(1, 0.1), rate_limits=False), Buckets(monotonic=clock))
    for _ in range(50):
        limiter.take("send", 1)
        limiter.check("send", 1)

    assert len(limiter.buckets) == 0


def test_memory_stays_bounded_and_the_ones_in_use_are_kept(clock):
    buckets, limit = Buckets(most=100, monotonic=clock), Limit(2, 0.001)
    for number in range(1000):
        buckets.take("victim", limit)
        buckets.take(number, limit)

    assert len(buckets) <= 100
    assert buckets.wait("victim", limit) > 0


def test_full_buckets_are_forgotten_before_any_other(clock):
    buckets, limit = Buckets(most=10, monotonic=clock), Limit(2, 1)
    for number in range(10):
        buckets.take(number, limit)
    clock.forward(5)
    buckets.take("new", limit)

    assert len(buckets) == 1


def test_the_limits_of_an_application_come_from_its_settings(app, limits_on):
    from chat.core.rate_limit import limiter

    burst = app.config["PARLEY"].limit("sign_in").burst
    for _ in range(burst):
        limiter.take("sign_in", "somebody")

    with pytest.raises(RateLimited):
        limiter.take("sign_in", "somebody")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("", "unknown"),
        (None, "unknown"),
        ("unix:", "unknown"),
    ],
)
def test_an_address_counts_as_its_network(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (1.1, "2 seconds"), (119, "119 seconds"), (120, "2 minutes"), (3601, "61 minutes")],
)
def test_a_wait_in_words(seconds, words):
    assert in_words(seconds) == words
