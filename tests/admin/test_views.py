"""The pages of the administration: what is on them, for whom, and that private rooms are numbers."""

import pytest

from chat.accounts.actions import create_invite, create_user
from chat.admin import queries
from chat.core import jobs
from chat.core.clock import now
from chat.core.db import db
from chat.core.jobs import Job
from chat.core.transaction import transaction
from chat.rooms.actions import create_room, mark_read
from tests.assertions import assert_queries, counted_queries
from tests.factories import say

PAGES = ["", "/people", "/rooms", "/invites", "/sign-in", "/retention", "/jobs", "/settings", "/audit"]
POSTS = ["/rooms/1/archive", "/rooms/1/restore", "/invites/1/revoke", "/sign-in", "/sign-up", "/settings", "/community",
         "/retention", "/jobs/1/retry", "/audit/export"]  # fmt: skip


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_every_page_opens_for_who_runs_the_community(sign_in, become, bob, role):
    window = sign_in(become(bob, role))
    for page in PAGES:
        answer = window.get(f"/admin{page}")
        assert answer.status_code == 200, page
        assert 'aria-current="page"' in answer.text


@pytest.mark.parametrize("role", ["moderator", "member", "guest", "bot"])
def test_for_everybody_else_there_is_nothing(sign_in, become, bob, role, audited):
    window = sign_in(become(bob, role))
    nowhere = window.get("/nowhere")

    for page in PAGES:
        answer = window.get(f"/admin{page}")
        assert answer.status_code == 404, page
        assert "Nothing lives at this address" in answer.text
    for path in POSTS:
        assert window.post(f"/admin{path}").status_code == 404, path
    assert audited() == []
    assert nowhere.status_code == 404


def test_whoever_is_not_signed_in_is_asked_to(client):
    for page in PAGES:
        assert client.get(f"/admin{page}").location.startswith("/login")


def test_the_way_there_is_shown_to_those_who_may(sign_in, ada, bob):
    assert 'href="/admin"' in sign_in(ada).get("/").text
    assert 'href="/admin"' not in sign_in(bob).get("/").text


def test_private_rooms_are_a_number(sign_in, ada, alice, secret):
    say(alice, secret, "Nobody else knows of the lantern")
    create_room(alice, "hidden-harbour", kind="private")
    window = sign_in(ada)

    pages = "".join(window.get(f"/admin{page}").text for page in PAGES)
    found = "".join(window.get(f"/admin/{where}?q={word}").text.replace(f'value="{word}"', "")
                    for where in ("rooms", "people") for word in ("secret", "hidden"))  # fmt: skip
    exported = window.post("/admin/audit/export", data={"format": "csv"}).text

    assert "2 private" in pages
    for word in ("hidden-harbour", "lantern", ">secret<", "#secret"):
        assert word not in pages + found + exported, word
    assert window.get(f"/rooms/{secret.id}/retention").status_code == 404
    for verb in ("archive", "restore"):
        assert window.post(f"/admin/rooms/{secret.id}/{verb}").status_code == 404
    assert "There is nobody, and no public room" in window.get("/admin/audit?subject=%23secret").text


def test_people_are_found_by_name_role_and_state(sign_in, ada, bob, carol, become):
    become(bob, "moderator")
    with transaction():
        carol.deactivated_at = now()
    window = sign_in(ada)

    def names(query):
        text = window.get(f"/admin/people?{query}").text
        return {name for name in ("Ada", "Alice", "Bob", "Carol") if f">{name}</bdi></a>" in text}

    assert names("") == {"Ada", "Alice", "Bob"}
    assert names("q=BOB") == names("q=bob@example") == names("role=moderator") == {"Bob"}
    assert names("state=closed") == {"Carol"}
    assert names("q=100%25") == set()


def test_people_come_a_page_at_a_time_and_each_once(app):
    for n in range(7):
        create_user(name=f"Person {n}", email=f"p{n}@example.org", password_hash="")
    seen, after = [], None
    while True:
        found, more = queries.people_page(after=after, limit=3)
        seen += [user.name for user in found]
        if not more:
            break
        after = found[-1].id

    assert len(seen) == len(set(seen)) == 12
    assert seen == sorted(seen, key=str.lower)


def test_a_page_of_people_asks_as_often_for_many_as_for_few(sign_in, ada):
    window = sign_in(ada)

    def asked():
        window.get("/admin/people")
        with counted_queries() as statements:
            window.get("/admin/people")
        return len(statements)

    few = asked()
    for n in range(30):
        create_user(name=f"Person {n}", email=f"p{n}@example.org", password_hash="")
    assert asked() == few


def test_public_rooms_can_be_archived_and_opened_again(sign_in, ada, general, audited):
    window = sign_in(ada)

    window.post(f"/admin/rooms/{general.id}/archive")
    db.session.refresh(general)
    assert general.archived_at
    assert "general" in window.get("/admin/rooms?state=archived").text
    window.post(f"/admin/rooms/{general.id}/restore")
    db.session.refresh(general)
    assert general.archived_at is None
    assert [verb for verb, *_ in audited()] == ["room_archived", "room_restored"]


def test_every_invite_is_shown_and_can_be_revoked(sign_in, ada, alice, audited):
    invite = create_invite(alice)
    window = sign_in(ada)

    assert "By <bdi" in window.get("/admin/invites").text
    assert window.post(f"/admin/invites/{invite.id}/revoke").status_code == 303
    db.session.refresh(invite)
    assert invite.revoked_at
    assert [(verb, who) for verb, who, *_ in audited()] == [("invite_made", alice.id), ("invite_revoked", ada.id)]


@pytest.fixture
def failed(app, monkeypatch):
    """A job that failed, and what the handler was called with."""
    called = []

    def broken(data):
        called.append(data)
        raise OSError("the mail server is away")

    monkeypatch.setattr(jobs, "_handlers", {"note": broken})
    with transaction():
        jobs.enqueue("note", {"n": 1})
    jobs.run_due()
    return db.session.query(Job).one(), called


def test_a_job_that_failed_is_shown_with_its_error_and_tried_again(sign_in, ada, failed, audited):
    job, called = failed
    window = sign_in(ada)

    assert "the mail server is away" in window.get("/admin/jobs").text
    assert "being tried again" in window.get("/admin").text
    assert jobs.run_due() == 0
    window.post(f"/admin/jobs/{job.id}/retry")
    assert jobs.run_due() == 1
    assert called == [{"n": 1}, {"n": 1}]
    assert audited() == [("job_retried", ada.id, ("job", job.id), None)]


def test_a_job_that_is_being_done_or_does_not_exist_is_not_tried_again(sign_in, ada, failed, audited):
    job, _ = failed
    with transaction():
        job.leased_until = now() + jobs.LEASE
    window = sign_in(ada)

    assert window.post(f"/admin/jobs/{job.id}/retry").status_code == 404
    assert window.post("/admin/jobs/99/retry").status_code == 404
    assert audited() == []


def test_the_overview_says_what_to_do_when_something_is_wrong(app, sign_in, ada, monkeypatch):
    app.extensions["lag"].last = 0.2
    monkeypatch.setattr("chat.admin.presenter.LITTLE_SPACE", 2)

    page = sign_in(ada).get("/admin").text
    assert "Something holds this process up" in page
    assert "Make room on the disk" in page


def test_messages_and_people_a_day_are_counted_and_drawn(sign_in, ada, alice, bob, robot, general):
    said = [say(alice, general, f"{n}") for n in range(3)]
    for person, message in ((bob, said[0]), (bob, said[2]), (robot, said[1])):
        mark_read(person, general, message.seq)

    days = queries.days_counted()
    assert (len(days), days[-1]) == (30, (now().date(), 3, 2))
    page = sign_in(ada).get("/admin").text
    assert "Messages a day in the last 30 days: 3 in all, at most 3 on one day." in page
    assert "People a day who read something new in the last 30 days: at most 2 on one day." in page
    assert page.count("<rect ") >= 60


def test_days_that_are_over_are_counted_once(app, ada):
    queries.days_counted()
    with assert_queries(1):
        queries.days_counted()
