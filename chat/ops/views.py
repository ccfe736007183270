"""Addresses for machines: is the process up, can it work, what is it doing."""

import hmac

from flask import Blueprint, Response, current_app, jsonify, request
from flask_login import current_user
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import SummaryMetricFamily
from sqlalchemy import text

from chat.accounts import passwords
from chat.core import ledger
from chat.core.db import db
from chat.core.errors import NotFound
from chat.core.policies import open_to
from chat.messages.presenter import authors_counted

bp = Blueprint("ops", __name__)


@bp.get("/healthz")
@open_to("machines, to see that the process is up")
def healthz():
    """The process answers. Touches nothing else, so that a slow database does not get the process restarted."""
    return jsonify({"ok": True})


@bp.get("/readyz")
@open_to("machines, to see that it can work")
def readyz():
    """The process can do its work: the database answers and its tables are there."""
    try:
        db.session.execute(text("SELECT count(*) FROM site"))
    except Exception:
        db.session.rollback()
        return jsonify({"ok": False, "code": "busy", "message": "The database does not answer."}), 503
    if current_app.extensions["live"].stopping:
        return jsonify({"ok": False, "code": "busy", "message": "This process is stopping."}), 503
    if current_app.extensions["live"].bus.degraded:  # slower, but working: no reason to send people elsewhere
        message = "The message queue is not heard. What other processes write comes within a second instead of at once."
        return jsonify({"ok": True, "degraded": True, "message": message})
    return jsonify({"ok": True})


@bp.get("/metrics")
@open_to("whoever has METRICS_TOKEN, and who runs the community; others find nothing")
def metrics():
    """Prometheus metrics, for whoever has METRICS_TOKEN or runs the community."""
    token = current_app.config["PARLEY"].metrics_token
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    by_token = bool(token) and hmac.compare_digest(given.encode(), token.encode())
    if not by_token and getattr(current_user, "role", None) not in ("owner", "admin"):
        raise NotFound
    return Response(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _registry():
    live, lag, registry = current_app.extensions["live"], current_app.extensions["lag"], CollectorRegistry()
    bus, delay = live.bus, live.pump.delay
    streams, (units, groups) = current_app.extensions["event_streams"], ledger.counted()
    authors_at_hand, authors_made = authors_counted()
    for name, words, value in (
        ("parley_connections", "Websockets and event streams of this process", len(live.connections)),
        ("parley_event_streams", "Event streams among them", len(streams)),
        ("parley_event_streams_owed_bytes", "Bytes that wait for their readers", streams.owed),
        ("parley_streams", "Streams this process follows", len(live.pump.follows)),
        ("parley_people_here", "People online or away", len(live.presence.shown)),
        ("parley_bus_degraded", "1 while other processes are not heard over the message queue", bus.degraded),
        ("parley_commit_to_write_worst_seconds", "Longest from a commit here to the frame being written", delay.worst),
        ("parley_loop_lag_seconds", "How late the event loop was just now", lag.last),
        ("parley_loop_lag_worst_seconds", "How late it was at worst since the start", lag.worst),
        ("parley_loop_busy_worst_seconds", "Most processor time the loop used between two turns", lag.busy_worst),
    ):
        Gauge(name, words, registry=registry).set(value)
    for name, words, value in (
        ("parley_frames", "Frames published", live.pump.sent),
        ("parley_pump_reads", "Reads of the log because numbers were missing", live.pump.reads),
        ("parley_pump_repairs", "Streams that the poll found ahead of what this process was told", live.pump.repairs),
        ("parley_resumes", "Answers to clients that came back", live.subscriptions.resumes),
        ("parley_resumes_at_a_glance", "Those for whom nothing had to be drawn", live.subscriptions.at_a_glance),
        ("parley_resets", "Streams that such a client had to load anew", live.subscriptions.resets),
        ("parley_sessions_at_hand", "Messages whose session was known to hold, without asking", live.sessions_at_hand),
        ("parley_sessions_asked", "Those for which the database was asked", live.sessions_asked),
        ("parley_authors_at_hand", "Authors of messages whose view was at hand", authors_at_hand),
        ("parley_authors_made", "Those whose view had to be made", authors_made),
        ("parley_event_streams_slow", "Event streams that were cut because nobody read them", streams.slow),
        ("parley_passwords_compared", "Passwords that were compared with a hash", passwords.compared[0]),
        ("parley_units", "Messages that were stored together with others", units),
        ("parley_groups", "Transactions in which that was done", groups),
        ("parley_bus_hints_sent", "Hints to other processes that a stream has grown", bus.hints_sent),
        ("parley_bus_hints_received", "Hints of other processes", bus.hints_received),
        ("parley_bus_hints_dropped", "Hints given up because too many waited", bus.hints_dropped),
        ("parley_bus_words_dropped", "Of who is here and who writes: given up for the same reason", bus.words_dropped),
        ("parley_bus_ignored", "Messages on the queue that were not ours, damaged, or repeated", bus.ignored),
        ("parley_bus_reconnects", "Times the message queue was connected anew", bus.reconnects),
        ("parley_loop_turns", "Times the event loop was looked at, 50 a second when it has time", lag.turns),
        ("parley_loop_late", "Times it was more than 5 ms late then", lag.late),
        ("parley_loop_lag_alarms", "Times the event loop was more than 50 ms late", lag.over),
        ("parley_loop_busy_alarms", "Times it used more than 50 ms of the processor in one turn", lag.busy_over),
    ):
        Counter(name, words, registry=registry).inc(value)
    registry.register(_CommitToWrite(delay))
    if live.fast:
        _about_sockets(live.engine, registry)
    return registry


class _CommitToWrite:
    """A sum and a count, kept elsewhere, as one summary."""

    def __init__(self, delay):
        self.delay = delay

    def collect(self):
        words = "From the commit of a change in this process to its being written to those who follow it"
        yield SummaryMetricFamily(
            "parley_commit_to_write_seconds", words, count_value=self.delay.count, sum_value=self.delay.sum
        )


def _about_sockets(engine, registry):
    """What only our own websockets can tell; python-socketio's engine does not count."""
    for name, words, value in (
        ("parley_transports", "Websockets of this process, strangers included", len(engine.sockets)),
        ("parley_strangers", "Websockets that are in no namespace yet", len(engine.strangers)),
        ("parley_slow_readers", "Websockets for which bytes wait", len(engine.behind)),
        ("parley_backlog_bytes", "Bytes that wait for slow readers", engine.owed),
        ("parley_handling", "Green threads that are handling events", engine.busy),
    ):
        Gauge(name, words, registry=registry).set(value)
    ended = Counter("parley_ended", "Websockets that were ended or refused", ("cause",), registry=registry)
    for cause in ("malformed", "refused", "slow", "strangers"):
        ended.labels(cause).inc(engine.counted[cause])
