"""Whoever is connected when a process stops is told when to come back, each at another moment."""

import pytest


def goodbyes(app, live, alice):
    tabs = [live(alice) for _ in range(40)]
    app.extensions["live"].stop(quick=False)
    return [bye["after_ms"] for tab in tabs for bye in tab.received("bye") if bye["reason"] == "restart"]


@pytest.mark.parametrize(("queue", "longest"), [("", 8000), ("redis://localhost:6379/0", 200)])
def test_clients_come_back_sooner_when_other_processes_are_there_to_take_them(app, live, alice, queue, longest):
    object.__setattr__(app.config["PARLEY"], "message_queue_url", queue)
    waits = goodbyes(app, live, alice)

    assert len(waits) == 40
    assert longest / 2 < max(waits) < longest
    assert len(set(waits)) > 20
