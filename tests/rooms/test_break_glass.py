"""Nobody who runs the community reads private rooms unseen. The owner can come in, and everybody there reads why."""

import pytest

from chat.accounts.actions import assign_role
from chat.admin.models import AuditEntry
from chat.core.db import db
from chat.core.errors import Forbidden, Invalid, NotFound
from chat.rooms.actions import create_room, leave_room, open_as_owner
from chat.rooms.queries import membership_of
from tests.factories import say


def test_everybody_in_the_room_reads_who_came_and_why_and_so_does_the_audit_log(live, ada, alice, bob, secret):
    in_room, mine = live(bob, secret), live(ada)

    open_as_owner(ada, secret.id, "A report  about\nthreats")

    opened, joined = (payload for name, payload in in_room.received() if name in ("room", "member"))
    assert (opened["change"], opened["by"]) == ("opened", ada.id)
    assert "opened this room as owner" in opened["html"]
    assert "A report about threats" in opened["html"]
    assert (joined["change"], joined["user"]["name"], joined["role"]) == ("joined", "Ada", "member")
    entry = db.session.scalars(db.select(AuditEntry).where(AuditEntry.verb == "room_opened")).one()
    assert (entry.actor_id, entry.verb, entry.subject_kind, entry.subject_id) == (
        ada.id,
        "room_opened",
        "room",
        secret.id,
    )
    assert entry.data == {"reason": "A report about threats"}
    say(alice, secret, "Hello, Ada")
    assert ("message", "posted", "Hello, Ada") in mine.frames()


def test_the_line_stays_on_the_page(sign_in, ada, bob, secret):
    open_as_owner(ada, secret.id, "<b>why</b>")

    page = sign_in(bob).get(secret.path).text
    assert "opened this room as owner" in page
    assert "&lt;b&gt;why&lt;/b&gt;" in page


def test_the_owner_leaves_like_anybody_and_is_outside_again(sign_in, ada, secret):
    open_as_owner(ada, secret.id, "Because")
    browser = sign_in(ada)
    assert browser.get(secret.path).status_code == 200

    leave_room(ada, secret)

    assert browser.get(secret.path).status_code == 404


def test_being_in_it_already_changes_nothing(ada, secret):
    open_as_owner(ada, secret.id, "Once")
    v = membership_of(ada, secret).v

    open_as_owner(ada, secret.id, "Twice")

    assert membership_of(ada, secret).v == v
    assert db.session.scalar(db.select(db.func.count()).where(AuditEntry.verb == "room_opened")) == 1


@pytest.mark.parametrize("role", ["admin", "moderator", "member", "guest", "bot"])
def test_only_the_owner(ada, carol, secret, role):
    if role != "member":
        carol.role = role
        db.session.commit()

    with pytest.raises(Forbidden):
        open_as_owner(carol, secret.id, "Because")
    with pytest.raises(Forbidden):
        open_as_owner(carol, 10_000, "Because")  # and learns nothing of what there is
    assert membership_of(carol, secret) is None


def test_without_a_reason_or_a_private_room_nothing_opens(ada, general, secret):
    for reason in ("", " \n", "x" * 201):
        with pytest.raises(Invalid) as refusal:
            open_as_owner(ada, secret.id, reason)
        assert refusal.value.field == "reason"
    for room_id in (general.id, 10_000, 0, 2**40):
        with pytest.raises(NotFound):
            open_as_owner(ada, room_id, "Because")


def test_on_the_page_it_takes_two_steps(sign_in, ada, secret):
    browser, data = sign_in(ada), {"room": secret.id, "reason": "Because I must"}
    assert "/rooms/open-as-owner" in browser.get("/rooms").text

    first = browser.post("/rooms/open-as-owner", data=data)

    assert first.status_code == 200
    assert "2 people" in first.text and "Because I must" in first.text
    assert secret.name not in first.text
    assert membership_of(ada, secret) is None

    second = browser.post("/rooms/open-as-owner", data={**data, "confirmed": "yes"})

    assert (second.status_code, second.location) == (303, secret.path)


def test_what_is_missing_is_said_beside_it(sign_in, ada, general):
    browser = sign_in(ada)

    nothing = browser.post("/rooms/open-as-owner", data={})
    public = browser.post("/rooms/open-as-owner", data={"room": general.id, "reason": "Because"})

    assert nothing.status_code == public.status_code == 422
    assert "everybody in the room reads it" in nothing.text
    assert "There is no private room of that number." in public.text


def test_an_administrator_does_not_even_see_the_page(sign_in, alice, carol):
    assign_role(carol, "admin")
    private = create_room(alice, "attic", kind="private")
    browser = sign_in(carol)

    assert browser.get("/rooms/open-as-owner").status_code == 403
    assert "open-as-owner" not in browser.get("/rooms").text
    data = {"room": private.id, "reason": "Because", "confirmed": "yes"}
    assert browser.post("/rooms/open-as-owner", data=data).status_code == 403
