"""Settings of several processes: what is refused, and that the refusal names the remedy without giving away secrets."""

import sys

import pytest

import config

OWN = {"SECRET_KEY": "a key for tests, long enough for the check"}


def load(tmp_path, **environ):
    return config.load({"DATA_DIR": str(tmp_path), **OWN, **environ})


def problem(tmp_path, **environ):
    with pytest.raises(config.ConfigError) as refused:
        load(tmp_path, **environ)
    (said,) = refused.value.problems
    return said


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379/0",
        "rediss://:password@redis.example.org",
        "unix:///run/redis.sock",
        "redis+sentinel://user:password@one:26379,two:26379/0/parley",
        "valkey://localhost",
        "amqp://guest:guest@localhost//",
        "kafka://one:9092,two:9092",
    ],
)
def test_a_queue_may_be(tmp_path, url):
    assert load(tmp_path, MESSAGE_QUEUE_URL=url, WEB_CONCURRENCY="2").message_queue_url == url


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("localhost:6379", "redis://localhost:6379/0"),
        ("http://:hidden@localhost", "redis://localhost:6379/0"),
        ("redis+sentinel://:hidden@one", "redis+sentinel://host1:26379"),
        ("kafka://", "kafka://host1:9092"),
    ],
)
def test_another_queue_is_refused_with_one_to_use(tmp_path, url, remedy):
    said = problem(tmp_path, MESSAGE_QUEUE_URL=url)

    assert said.startswith("MESSAGE_QUEUE_URL ") and remedy in said
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("url", "library", "file"),
    [
        ("amqp://localhost", "kombu", "requirements-rabbitmq.txt"),
        ("kafka://one:9092", "kafka", "requirements-kafka.txt"),
    ],
)
def test_a_queue_whose_library_is_missing_is_refused_with_the_command(tmp_path, monkeypatch, url, library, file):
    monkeypatch.delitem(sys.modules, library, raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert f"pip install --require-hashes -r {file}" in problem(tmp_path, MESSAGE_QUEUE_URL=url)


def test_several_processes_without_a_queue_are_refused(tmp_path):
    said = problem(tmp_path, WEB_CONCURRENCY="2")

    assert "WEB_CONCURRENCY is 2" in said and "MESSAGE_QUEUE_URL=redis://" in said


def test_more_processes_than_sqlite_bears_are_refused(tmp_path):
    queue = {"MESSAGE_QUEUE_URL": "redis://localhost"}
    said = problem(tmp_path, WEB_CONCURRENCY="5", **queue)

    assert "WEB_CONCURRENCY is 5" in said and "DATABASE_URL=postgresql://" in said
    assert load(tmp_path, WEB_CONCURRENCY="4", **queue).workers == 4
    assert load(tmp_path, WEB_CONCURRENCY="64", DATABASE_URL="postgresql://localhost/parley", **queue).workers == 64


def test_a_process_does_everything_unless_told_otherwise(tmp_path):
    assert load(tmp_path).roles == ("web", "realtime", "jobs")
    assert load(tmp_path, PARLEY_ROLE="jobs, Web").roles == ("web", "jobs")


@pytest.mark.parametrize("roles", ["everything", "web,jbos", ","])
def test_a_role_that_is_none_is_refused_with_those_there_are(tmp_path, roles):
    said = problem(tmp_path, PARLEY_ROLE=roles)

    assert said.startswith("PARLEY_ROLE ") and "web, realtime, jobs" in said


@pytest.mark.parametrize("name", ["two words", "a.b", "x" * 41])
def test_a_name_that_not_every_queue_takes_is_refused(tmp_path, name):
    assert problem(tmp_path, MESSAGE_QUEUE_CHANNEL=name).startswith("MESSAGE_QUEUE_CHANNEL ")
