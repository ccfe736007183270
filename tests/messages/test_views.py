import re

import pytest

from chat.accounts.actions import update_profile
from chat.core.db import db
from chat.messages import queries
from chat.messages.actions import delete_message, edit_message
from chat.messages.models import Message
from chat.messages.queries import edits_of, newest
from chat.rooms.actions import (
    add_member,
    archive_room,
    change_room,
    create_room,
    join_room,
    leave_room,
    mark_read,
    remove_member,
)
from tests.factories import say


@pytest.fixture
def small_pages(monkeypatch):
    """Three messages are a page."""
    for name in ("newest", "page_before", "page_after", "page_around"):
        monkeypatch.setitem(getattr(queries, name).__kwdefaults__, "limit", 3)


@pytest.fixture
def window(sign_in, bob):
    """A browser in which bob is signed in."""
    return sign_in(bob)


def texts(page):
    """What stands in a page's timeline, in order."""
    return re.findall(r'<div class="message__body[^>]*><p>(.*?)</p>', page.text.partition("<template")[0])


def link(page, rel):
    found = re.search(rf'href="([^"]+)" rel="{rel}"', page.text)
    return found and found[1]


# The page of a room


def test_the_page_shows_the_newest_messages_and_where_it_stands(window, small_pages, alice, bob, general):
    for n in range(5):
        last = say(alice, general, f"m{n}")
    mark_read(bob, general, last.seq - 1)

    page = window.get(general.path)
    assert texts(page) == ["m2", "m3", "m4"]
    assert f'data-cursor="{last.seq}"' in page.text
    assert f'data-position="{last.seq - 1}"' in page.text
    assert 'data-member="member"' in page.text
    assert 'data-newest="true"' in page.text
    assert '<p class="separator separator--new" id="new">' in page.text


def test_links_walk_to_the_beginning_and_back_to_the_head(window, small_pages, alice, general):
    for n in range(8):
        say(alice, general, f"m{n}")

    seen, page = [], window.get(general.path)
    while True:
        seen[:0] = texts(page)
        if not (older := link(page, "prev")):
            break
        page = window.get(older)
    assert seen == [f"m{n}" for n in range(8)]
    assert "#general starts here" in page.text

    forth = texts(page)
    while newer := link(page, "next"):
        page = window.get(newer)
        forth += texts(page)
    assert forth == seen
    assert 'data-newest="true"' in page.text


def test_events_are_on_exactly_one_of_the_pages(window, small_pages, alice, bob, carol, general):
    for n in range(4):
        say(alice, general, f"m{n}")
        (join_room if n % 2 == 0 else leave_room)(carol, general)

    def walk(page, rel):
        found = re.findall(r'<p class="event" data-seq="(\d+)"', page.text)
        while onward := link(page, rel):
            page = window.get(onward)
            found += re.findall(r'<p class="event" data-seq="(\d+)"', page.text)
        return page, sorted(map(int, found))

    first, back = walk(window.get(general.path), "prev")
    _, forth = walk(first, "next")
    assert back == forth == sorted(set(back))
    assert len(back) >= 6


@pytest.mark.parametrize("where", ["before", "after", "around"])
@pytest.mark.parametrize("seq", ["-1", "0", "1", "2147483648", "9" * 30, "9" * 5000, "abc", ""])
def test_a_page_at_a_number_that_cannot_be_is_still_a_page(window, alice, general, where, seq):
    say(alice, general, "here")

    for path in (general.path, f"{general.path}/timeline"):
        assert window.get(f"{path}?{where}={seq}").status_code == 200


def test_beyond_the_ends_there_is_nowhere_further_to_go(window, alice, general):
    message = say(alice, general, "here")

    beyond = window.get(f"{general.path}?before=99999")
    assert texts(beyond) == ["here"]
    assert link(beyond, "next") is None
    before_all = window.get(f"{general.path}?after=0")
    assert texts(before_all) == ["here"]
    assert link(before_all, "prev") is None
    after_all = window.get(f"{general.path}?after={message.seq}")
    assert texts(after_all) == []
    assert texts(window.get(link(after_all, "prev"))) == ["here"]


def test_a_visitor_reads_without_being_in_the_room(sign_in, alice, carol, general):
    say(alice, general, "here")

    page = sign_in(carol).get(general.path)
    assert texts(page) == ["here"]
    assert 'data-member=""' in page.text
    assert "without being in it" in page.text
    assert 'data-controller="composer"' not in page.text


def test_an_archived_room_says_so_in_the_composers_place(window, alice, general):
    archive_room(alice, general)

    page = window.get(general.path)
    assert "#general is archived." in page.text
    assert 'data-controller="composer"' not in page.text


def test_a_deleted_message_is_a_line_without_its_text(window, alice, general):
    delete_message(alice, say(alice, general, "a secret"))

    page = window.get(general.path)
    assert "was deleted" in page.text
    assert "a secret" not in page.text


# Asking again


def test_a_page_that_did_not_change_is_not_sent_again(window, alice, bob, general):
    window.get(general.path)  # the first visit makes the token of the forms
    tag = window.get(general.path).headers["ETag"]

    again = window.get(general.path, headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    say(alice, general, "new")
    assert window.get(general.path, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("change", ["read", "rename", "other room", "person"])
def test_whatever_the_page_shows_changes_its_tag(window, alice, bob, general, change):
    other = create_room(alice, "other")
    add_member(alice, other, bob)
    message = say(alice, general, "hi")
    window.get(general.path)
    tag = window.get(general.path).headers["ETag"]

    if change == "read":
        mark_read(bob, general, message.seq)
    elif change == "rename":
        change_room(alice, other, name="another", topic="", description="")
    elif change == "other room":
        say(alice, other, "hi")
    else:
        update_profile(alice, name="Alice B", username="alice", bio="", time_zone="UTC")
    assert window.get(general.path, headers={"If-None-Match": tag}).status_code == 200


def test_after_signing_in_again_the_old_page_with_its_dead_forms_is_not_used(window, bob, general):
    window.get(general.path)
    tag = window.get(general.path).headers["ETag"]

    with window.session_transaction() as session:
        session.clear()  # as signing out and in again does
    assert window.get(general.path, headers={"If-None-Match": tag}).status_code == 200


def test_one_person_never_gets_the_tag_of_another(sign_in, alice, bob, general):
    tags = set()
    for person in (alice, bob):
        browser = sign_in(person)
        browser.get(general.path)
        tags.add(browser.get(general.path).headers["ETag"])
    assert len(tags) == 2


# The fragment for script


def test_the_fragment_is_one_more_page_with_where_it_stands(window, small_pages, alice, general):
    said = [say(alice, general, f"m{n}") for n in range(5)]

    page = window.get(f"{general.path}/timeline?before={said[3].seq}")
    assert re.findall(r"<p>(m\d)</p>", page.text) == ["m0", "m1", "m2"]
    assert "<html" not in page.text
    headers = {
        name: page.headers[f"X-{name}"] for name in ("Has-Older", "Has-Newer", "First-Seq", "Last-Seq", "Cursor")
    }
    assert headers == {
        "Has-Older": "false",
        "Has-Newer": "true",
        "First-Seq": "1",
        "Last-Seq": str(said[2].seq),
        "Cursor": str(said[4].seq),
    }


# Writing without script


def test_a_message_is_posted_by_a_form(window, general):
    answer = window.post(f"{general.path}/messages", data={"text": "From a form", "key": "k"})
    again = window.post(f"{general.path}/messages", data={"text": "From a form", "key": "k"})

    [message] = newest(general)[0]
    assert (answer.status_code, answer.location) == (303, f"{general.path}#message-{message.id}")
    assert again.location == answer.location


@pytest.mark.parametrize(
    ("text", "status", "words"), [(" ", 422, "Write something first."), ("x" * 20_001, 422, "20,001 characters")]
)
def test_a_refused_message_comes_back_in_its_form(window, general, text, status, words):
    answer = window.post(f"{general.path}/messages", data={"text": text})

    assert answer.status_code == status
    assert words in answer.text
    assert text.strip()[:50] in answer.text
    assert newest(general)[0] == []


def test_writing_too_fast_keeps_the_text_and_says_when(window, limits_on, general):
    answers = [window.post(f"{general.path}/messages", data={"text": "one too many"}) for _ in range(22)]
    answer = answers[-1]

    assert [a.status_code for a in answers[:19]] == [303] * 19
    assert answer.status_code == 429
    assert "You are writing very fast." in answer.text
    assert "one too many</textarea>" in answer.text
    assert int(answer.headers["Retry-After"]) >= 1


def test_who_is_not_in_the_room_cannot_post_by_form(sign_in, carol, general, secret):
    assert sign_in(carol).post(f"{general.path}/messages", data={"text": "Hi"}).status_code == 403
    assert sign_in(carol).post(f"{secret.path}/messages", data={"text": "Hi"}).status_code == 404


# One message


@pytest.fixture
def message(bob, general):
    return say(bob, general, "Frist")


def test_a_permalink_opens_the_page_around_the_message(window, message, alice, general, small_pages):
    for n in range(9):
        say(alice, general, f"m{n}")

    answer = window.get(message.path)
    assert answer.status_code == 303
    assert answer.location == f"{general.path}?around={message.seq}#message-{message.id}"
    page = window.get(answer.location)
    assert "Frist" in texts(page)
    assert 'data-newest="false"' in page.text


def test_an_edit_by_form(window, message):
    page = window.get(f"/messages/{message.id}/edit")
    assert ">\r\nFrist</textarea>" in page.text or ">Frist</textarea>" in page.text
    assert 'name="rev" type="hidden" value="1"' in page.text

    answer = window.post(f"/messages/{message.id}/edit", data={"text": "First", "rev": "1"})
    assert (answer.status_code, answer.location) == (303, message.path)
    assert db.session.get(Message, message.id).text == "First"


def test_an_edit_of_an_older_text_keeps_what_was_typed_and_can_be_saved_then(window, message, bob):
    edit_message(bob, message, "Second")

    answer = window.post(f"/messages/{message.id}/edit", data={"text": "Third", "rev": "1"})
    assert answer.status_code == 422
    assert "edited in another window" in answer.text
    assert "Third</textarea>" in answer.text
    rev = re.search(r'name="rev" type="hidden" value="(\d+)"', answer.text)[1]
    assert window.post(f"/messages/{message.id}/edit", data={"text": "Third", "rev": rev}).status_code == 303


def test_an_edit_that_cannot_be_stays_in_its_form(window, message):
    for text, words in ((" ", "Write something first."), ("x" * 20_001, "20,001 characters")):
        answer = window.post(f"/messages/{message.id}/edit", data={"text": text, "rev": "1"})
        assert answer.status_code == 422
        assert words in answer.text


def test_deleting_asks_first(window, message, general):
    page = window.get(f"/messages/{message.id}/delete")
    assert "Delete this message?" in page.text
    assert "Frist" in page.text

    assert window.post(f"/messages/{message.id}/delete").location == message.path
    assert newest(general)[0][0].deleted_at


def test_the_history_shows_what_it_said_before(window, message, bob):
    edit_message(bob, message, "First")

    page = window.get(f"/messages/{message.id}/history")
    assert "<p>First</p>" in page.text
    assert "<p>Frist</p>" in page.text
    delete_message(bob, message)
    assert "Frist" not in window.get(f"/messages/{message.id}/history").text


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "edit"), ("post", "edit"), ("get", "delete"), ("post", "delete"), ("get", "history")],
)
def test_what_only_the_author_or_an_owner_may_is_refused_to_others(sign_in, message, robot, method, path):
    answer = getattr(sign_in(robot), method)(f"/messages/{message.id}/{path}", data={"text": "Mine"})

    assert answer.status_code == 403
    assert f'href="{message.path}">Back to the message</a>' in answer.text
    assert db.session.get(Message, message.id).text == "Frist"
    assert edits_of(message) == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_was_deleted_meanwhile_is_not_edited_but_led_back_to(window, message, bob, method):
    delete_message(bob, message)

    answer = getattr(window, method)(f"/messages/{message.id}/edit", data={"text": "Again", "rev": 2})

    assert (answer.status_code, answer.location) == (303, message.path)
    assert "That message was deleted." in window.get("/").text


def test_the_author_too_is_led_back_when_the_room_was_archived(window, message, alice, general):
    archive_room(alice, general)

    for path in ("edit", "delete"):
        answer = window.get(f"/messages/{message.id}/{path}")
        assert answer.status_code == 403
        assert "#general is archived." in answer.text
        assert f'href="{message.path}">Back to the message</a>' in answer.text
    assert window.get(message.path).status_code == 303


def test_who_was_removed_from_a_private_room_finds_nothing_of_theirs(sign_in, alice, bob, secret):
    message = say(bob, secret, "Ours")
    remove_member(alice, secret, bob)

    for path in ("edit", "delete", "history"):
        assert sign_in(bob).get(f"/messages/{message.id}/{path}").status_code == 404
