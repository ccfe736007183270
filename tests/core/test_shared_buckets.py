"""Buckets that several processes have in common, in a real Redis."""

import threading

import pytest

from chat.core.errors import RateLimited
from chat.core.rate_limit import Buckets, Limiter
from chat.core.shared_buckets import Away, SharedBuckets
from chat.realtime.bus.transports import redis_of
from config import Limit
from tests.system.queues import Redis

pytestmark = pytest.mark.services

FIVE = Limit(5, 1 / 3600)


class Settings:
    rate_limits, workers = True, 2

    def __init__(self, limit=FIVE):
        self._limit = limit

    def limit(self, verb):
        return self._limit


@pytest.fixture(scope="module")
def redis():
    redis = Redis()
    yield redis
    redis.stop()


class Clock:
    seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def process(redis, request):
    """process() → the Limiter of one more process of the same Parley."""

    def process(url=redis.url, limit=FIVE, clock=None):
        name, options = f"parley.{request.node.name}", {"monotonic": clock} if clock else {}
        shared = SharedBuckets(redis_of(url), name=name, secret_key="of all processes", **options)
        return Limiter(Settings(limit), Buckets(), shared)

    return process


def taken(limiter, verb, times):
    count = 0
    for _ in range(times):
        try:
            limiter.take(verb, "ada")
            count += 1
        except RateLimited:
            pass
    return count


def test_guesses_at_two_processes_are_one_bucket(process):
    one, other = process(), process()

    assert taken(one, "sign_in", 3) + taken(other, "sign_in", 10) + taken(one, "sign_in", 10) == 5
    with pytest.raises(RateLimited) as refused:
        other.take("sign_in", "ada")
    assert 3500 < refused.value.retry_after <= 3600.1


def test_a_hundred_guesses_at_once_at_four_processes_are_still_five(process):
    processes, counts = [process() for _ in range(4)], []
    threads = [
        threading.Thread(target=lambda limiter=limiter: counts.append(taken(limiter, "sign_in", 25)))
        for limiter in processes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == 5


def test_what_one_process_gives_back_another_may_take(process):
    one, other = process(), process()
    taken(one, "sign_in", 5)
    one.give_back("sign_in", "ada")

    assert taken(other, "sign_in", 5) == 1


def test_giving_back_never_fills_a_shared_bucket_above_its_burst(process):
    one = process()
    one.take("sign_in", "ada")
    for _ in range(20):
        one.give_back("sign_in", "ada")

    assert taken(one, "sign_in", 10) == 5


def test_a_shared_bucket_fills_again_with_time(process, redis):
    one = process(limit=Limit(1, 50))
    waits = []
    for _ in range(30):
        try:
            one.take("sign_in", "ada")
        except RateLimited as error:
            waits.append(error.retry_after)
    assert 0 < len(waits) < 30
    assert max(waits) <= 0.1


def test_a_full_bucket_leaves_nothing_in_redis(process, redis):
    process(limit=Limit(5, 0.1)).take("sign_in", "ada")  # full again ten seconds later
    with redis.client() as client:
        [key] = client.keys("parley.test_a_full_bucket*")
        assert 5_000 < client.pttl(key) <= 10_000


def test_neither_names_nor_addresses_can_be_read_in_redis(process, redis):
    process().take("sign_in", "ada@example.org")
    with redis.client() as client:
        [key] = client.keys("parley.test_neither*")
        assert b"ada" not in key
        assert b"sign_in" not in key
        assert b"ada" not in client.get(key)


def test_other_verbs_are_counted_here_and_put_together_later(process):
    one, other = process(), process()
    assert taken(one, "send", 5) == 5
    assert taken(other, "send", 4) == 4  # has not heard yet

    one.share(), other.share()

    assert taken(other, "send", 1) == 0
    with pytest.raises(RateLimited) as refused:
        other.take("send", "ada")
    assert refused.value.retry_after > 4 * 3600  # nine were taken of five: four hours until it is as if never


def test_whoever_spreads_over_processes_gets_no_more_in_the_long_run(process):
    """Each may once give away its bucket before it hears of the others; what that was is paid back before the next."""
    clock = Clock()
    processes = [process(limit=Limit(10, 1.0)) for _ in range(4)]
    for limiter in processes:
        limiter.buckets.monotonic = clock

    allowed = 0
    for _ in range(5):
        for limiter in processes:
            allowed += taken(limiter, "send", 20)
        for limiter in processes:
            limiter.share()
        for limiter in processes:
            limiter.share()

    assert allowed == 40  # the first round; from then on each knows that the debt is 30 s


def test_nothing_that_was_counted_means_no_question(process):
    one = process()
    one.shared.connect = None  # would be called
    one.share()


def test_while_redis_is_away_each_process_allows_half(process):
    clock = Clock()
    alone = process("redis://127.0.0.1:1/0", clock=clock)

    assert taken(alone, "sign_in", 10) == 2
    assert taken(alone, "send", 10) == 2


def test_redis_that_went_away_is_asked_again_after_a_while_and_told_what_it_missed(process):
    redis, clock = Redis(), Clock()
    one, other = process(redis.url, clock=clock), process(redis.url)
    one.take("send", "ada")
    redis.kill()
    one.share()
    assert one.shared.is_away
    with pytest.raises(Away):
        one.shared.take(("send", "ada"), FIVE)

    redis.start()
    one.share()  # too early: it is not asked
    clock.seconds += 3
    one.share()

    other.take("send", "ada")
    other.share()
    assert other.buckets.wait(("send", "ada"), Limit(3, FIVE.rate)) == 0
    assert other.buckets.wait(("send", "ada"), Limit(2, FIVE.rate)) > 0
    redis.stop()


def test_a_redis_that_hangs_holds_up_one_guess_for_a_moment_and_the_next_not_at_all(process):
    redis = Redis()
    one = process(redis.url)
    one.take("sign_in", "ada")
    redis.freeze()

    one.take("sign_in", "bob")  # waits, is counted here
    assert one.shared.is_away
    one.shared.connect = None
    one.take("sign_in", "carol")  # does not ask
    redis.thaw()
    redis.stop()


def test_processes_that_share_nothing_divide_what_could_be_guessed_at():
    limiter = Limiter(Settings(Limit(6, 1 / 3600)), Buckets())

    assert taken(limiter, "sign_in", 10) == 3
    assert taken(limiter, "send", 10) == 6


@pytest.mark.parametrize("url", ["", "amqp://localhost", "kafka://localhost:9092"])
def test_only_redis_holds_buckets(url):
    assert redis_of(url) is None


@pytest.mark.parametrize("url", ["redis://localhost", "rediss://localhost", "unix:///run/redis.sock", "valkey://h:1/0"])
def test_whatever_speaks_redis_holds_them(url):
    assert redis_of(url)().connection_pool is not None
