import pytest
from prometheus_client.parser import text_string_to_metric_families

from chat.core.db import db
from chat.core.transaction import transaction
from tests.assertions import assert_queries
from tests.events import EventClient
from tests.factories import say

TOKEN = "a token for the machine that collects"


@pytest.fixture
def metrics(app, client):
    """metrics() → {name: value} as the machine with the token reads them."""
    object.__setattr__(app.config["PARLEY"], "metrics_token", TOKEN)

    def metrics():
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        assert answer.content_type.startswith("text/plain")
        families = text_string_to_metric_families(answer.text)
        return {sample.name: sample.value for family in families for sample in family.samples}

    return metrics


def test_the_process_answers_without_asking_the_database(client):
    with assert_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"ok": True})


def test_it_is_ready_when_the_database_answers(client):
    assert client.get("/readyz").json == {"ok": True}


def test_it_is_not_ready_without_its_tables(client):
    db.session.rollback()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE site RENAME TO elsewhere")

    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["code"]) == (503, "busy")
    assert client.get("/healthz").status_code == 200


def test_it_is_not_ready_while_it_stops(app, client):
    app.extensions["live"].stopping = True

    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["message"]) == (503, "This process is stopping.")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_both_answer_before_anybody_set_it_up(client, path):
    with transaction():
        db.session.execute(db.text("DELETE FROM site"))

    assert client.get(path).status_code == 200


# Metrics


def test_metrics_count_connections_and_frames(metrics, live, alice, bob, general):
    before = metrics()
    windows = [live(alice, general), live(bob, general)]
    say(alice, general, "1")

    now = metrics()
    assert now["parley_connections"] == before["parley_connections"] + 2
    assert now["parley_people_here"] == 2
    assert now["parley_frames_total"] == before["parley_frames_total"] + 1
    assert now["parley_streams"] >= 4
    windows[0].client.disconnect("/chat")
    assert metrics()["parley_connections"] == 1


def test_metrics_tell_how_long_a_change_took_from_its_commit_to_those_who_follow_it(metrics, live, alice, bob, general):
    say(alice, general, "nobody follows")
    assert metrics()["parley_commit_to_write_seconds_count"] == 0
    live(bob, general)
    say(alice, general, "bob does")
    say(alice, general, "and hears this")

    now = metrics()
    assert now["parley_commit_to_write_seconds_count"] == 2
    assert 0 < now["parley_commit_to_write_worst_seconds"] < now["parley_commit_to_write_seconds_sum"] < 20


def test_metrics_tell_what_was_at_hand_and_what_was_asked(metrics, live, alice, general):
    window, before = live(alice), metrics()
    for key in "abc":
        assert window.emit("message", {"room": general.id, "text": "Hello", "key": key})["ok"]

    grown = {name: value - before[name] for name, value in metrics().items() if name in before}
    assert (grown["parley_sessions_asked_total"], grown["parley_sessions_at_hand_total"]) == (1, 2)
    assert grown["parley_authors_at_hand_total"] >= 2
    assert grown["parley_authors_made_total"] <= 1


def test_metrics_tell_what_clients_that_came_back_cost(app, metrics, live, alice, general):
    pump = app.extensions["live"].pump
    window, before = live(alice), metrics()
    say(alice, general, "1")
    for cursor in (8, 10**6):
        window.emit("resume", {"epoch": pump.epoch, "streams": {general.stream: cursor}})

    grown = {name: value - before[name] for name, value in metrics().items() if name in before}
    assert grown["parley_resumes_total"] == 2
    assert grown["parley_resets_total"] == 1


def test_metrics_count_what_the_poll_had_to_find(app, metrics, live, alice, general, monkeypatch):
    pump = app.extensions["live"].pump
    window, before = live(alice), metrics()
    for name in ("_hand_over", "_show_fresh", "hinted"):  # as if another process wrote it, and its hint were lost
        monkeypatch.setattr(pump, name, lambda *_: None)
    say(alice, general, "1")
    assert window.frames() == []

    pump.poll()
    assert window.frames() == [("message", "posted", "1")]

    now = metrics()
    assert now["parley_pump_repairs_total"] == before["parley_pump_repairs_total"] + 1
    assert now["parley_pump_reads_total"] > before["parley_pump_reads_total"]


def test_metrics_tell_of_event_streams_that_nobody_reads(metrics, sign_in, alice, bob, general):
    stream, before = EventClient(sign_in(bob)), metrics()
    say(alice, general, "x" * 20_000)
    assert metrics()["parley_event_streams_owed_bytes"] > 20_000
    for _ in range(40):
        say(alice, general, "x" * 20_000)
    stream.close()

    now = metrics()
    assert now["parley_event_streams_slow_total"] == before["parley_event_streams_slow_total"] + 1
    assert now["parley_event_streams"] == 0


def test_metrics_tell_how_late_the_event_loop_was(app, metrics):
    lag = app.extensions["lag"]
    lag.last, lag.worst, lag.over, lag.turns, lag.late = 0.25, 0.5, 3, 900, 7

    now = metrics()
    assert (now["parley_loop_lag_seconds"], now["parley_loop_lag_worst_seconds"]) == (0.25, 0.5)
    assert now["parley_loop_lag_alarms_total"] == 3
    assert (now["parley_loop_turns_total"], now["parley_loop_late_total"]) == (900, 7)


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"]
)
def test_metrics_do_not_exist_for_others(metrics, client, authorization):
    headers = {"Authorization": authorization} if authorization is not None else {}
    client.get("/nowhere")  # the first answer of all sets a cookie
    nowhere = client.get("/nowhere")

    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 404
    assert "parley_connections" not in answer.text
    assert sorted(answer.headers.keys()) == sorted(nowhere.headers.keys())


def test_metrics_are_for_whoever_runs_the_community(sign_in, ada, alice, carol):
    assert sign_in(ada).get("/metrics").status_code == 200
    assert sign_in(alice).get("/metrics").status_code == 404
    with transaction():
        carol.role = "admin"
    assert sign_in(carol).get("/metrics").status_code == 200


def test_no_token_set_is_no_token_that_fits(client):
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404
