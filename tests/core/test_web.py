"""What every page shares, on an application with a few views of its own."""

import pytest
from flask import abort, flash, request

from chat.core.db import db
from chat.core.errors import Busy, Conflict, Forbidden, Invalid, NotFound, RateLimited, TooLarge
from chat.core.web import redirect_back, see_other, with_etag


@pytest.fixture
def view(app, sign_in, alice):
    """view(function) → ask(…) for a page that runs the function."""
    functions = []

    @app.route("/test-view", methods=["GET", "POST"])
    def test_view():
        return functions[-1]()

    browser = sign_in(alice)

    def view(function):
        functions.append(function)
        return lambda method="get", **options: getattr(browser, method)("/test-view", **options)

    return view


@pytest.fixture
def app(settings):
    """Not yet asked anything, so that views can still be added."""
    from chat import create_app
    from tests.conftest import at_once

    app = create_app(settings, spawn=at_once)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def refuse(error):
    def function():
        raise error

    return function


JSON = {"Accept": "application/json"}


@pytest.mark.parametrize(
    "error",
    [
        Forbidden("Only owners can."),
        NotFound(),
        Invalid("Too short.", field="name"),
        Conflict("Taken."),
        TooLarge("Too big."),
        RateLimited("Slowly.", retry_after=7.2),
        Busy(),
    ],
    ids=lambda error: error.code,
)
def test_a_refusal_is_a_page_for_people_and_an_object_for_programs(view, error):
    page, answer = view(refuse(error))(), view(refuse(error))(headers=JSON)

    assert page.status_code == answer.status_code == error.status
    assert error.message in page.text
    assert answer.json == error.to_json()
    wait = {7.2: "7", 1: "1"}.get(error.retry_after)
    assert page.headers.get("Retry-After") == answer.headers.get("Retry-After") == wait


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 429, 500, 503])
def test_every_status_has_words_of_its_own(view, status):
    page, answer = view(lambda: abort(status))(), view(lambda: abort(status))(headers=JSON)

    assert page.status_code == answer.status_code == status
    assert "<h1" in page.text
    assert answer.json["ok"] is False
    assert answer.json["message"]


def test_a_crash_shows_a_reference_and_nothing_of_what_broke(view, app, caplog):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    page, answer = view(lambda: 1 / 0)(), view(lambda: 1 / 0)(headers=JSON)

    assert page.status_code == answer.status_code == 500
    assert "division" not in page.text and "Traceback" not in page.text
    assert answer.json["code"] == "error"
    assert f"Unexpected fault {answer.json['reference']} in GET /test-view" in caplog.text
    assert any(
        record.getMessage().split()[2] in page.text for record in caplog.records if "fault" in record.getMessage()
    )


def test_a_redirect_after_a_form_may_say_a_word(view):
    ask = view(lambda: see_other("/people", "Saved."))

    answer = ask("post")
    assert (answer.status_code, answer.location) == (303, "/people")


@pytest.mark.parametrize(
    ("referrer", "target"),
    [
        ("http://localhost/rooms?q=a", "/rooms?q=a"),
        ("http://localhost/people", "/people"),
        ("https://evil.example/people", "/"),
        ("http://localhost//evil.example", "/evil.example"),
        ("http://localhost/test-view", "/"),
        (None, "/"),
        ("nonsense", "/"),
    ],
)
def test_back_is_a_page_of_ours(view, referrer, target):
    headers = {"Referer": referrer} if referrer else {}

    assert view(lambda: redirect_back("/"))("post", headers=headers).location == target


def test_a_page_that_is_as_it_was_is_not_made_again(view):
    made = []

    def page():
        return with_etag((request.args.get("v"),), lambda: made.append(1) or app_response())

    def app_response():
        from flask import make_response

        return make_response("page")

    ask = view(page)
    first = ask(query_string={"v": "1"})
    again = ask(query_string={"v": "1"}, headers={"If-None-Match": first.headers["ETag"]})
    other = ask(query_string={"v": "2"}, headers={"If-None-Match": first.headers["ETag"]})

    assert (first.status_code, again.status_code, other.status_code) == (200, 304, 200)
    assert len(made) == 2
    assert first.headers["Cache-Control"] == again.headers["Cache-Control"] == "private, no-cache"


def test_pages_are_not_kept_by_anybody(view):
    from chat.core.web import render_page

    ask = view(lambda: flash("x") or render_page("rooms/index.html", unread_total=0, mentions_total=0))
    assert ask().headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 200), ("none", 200), (None, 200), ("cross-site", 403), ("same-site", 403)]
)
def test_forms_of_other_sites_are_refused(view, site, status):
    headers = {"Sec-Fetch-Site": site} if site else {}

    assert view(lambda: "done")("post", headers=headers).status_code == status
    assert view(lambda: "seen")("get", headers=headers).status_code == 200


def test_when_all_connections_to_the_database_are_taken_the_answer_is_busy_and_says_when(app, client, monkeypatch):
    db.session.remove()
    pool = db.engine.pool
    assert pool.timeout() == 5
    monkeypatch.setattr(pool, "_timeout", 0.01)
    taken = [db.engine.connect() for _ in range(pool.size() + pool._max_overflow)]

    page, answer = client.get("/login"), client.get("/rooms", headers={"Accept": "application/json"})
    for connection in taken:
        connection.close()

    assert (page.status_code, page.headers["Retry-After"]) == (503, "1")
    assert (answer.status_code, answer.json["code"], answer.json["retry_after"]) == (503, "busy", 1)
    assert client.get("/login").status_code == 200
