"""One shape and one partial for each thing: the page, the frame, the acknowledgement and the answer to resume agree."""

import re

import pytest

from chat.core.clock import iso
from chat.messages.actions import delete_message, edit_message
from chat.messages.presenter import present
from chat.realtime import wire
from chat.rooms.actions import add_member, archive_room, change_room, create_room, join_room, leave_room, set_role
from tests.factories import say

# The wire's `message` object, word for word as the protocol has it.
MESSAGE = {
    "id", "room", "seq", "v", "rev", "key", "author", "text", "html", "created_at", "edited_at", "deleted_at", "thread",
    "reactions", "attachments", "reply_to", "mentions", "mentions_room", "pinned",
}  # fmt: skip
AUTHOR = {"id", "name", "avatar_url", "bot", "v"}


def page(sign_in, person, path):
    """The page without what only the viewer's own place in it adds, and without the tools of messages, which frames do
    not bring: script has them on the page."""
    return without_tools(sign_in(person).get(path).text.replace(" message--grouped", ""))


def without_tools(text):
    return re.sub(r'<div class="message__tools.*?</div>\n', "", text, flags=re.DOTALL)


@pytest.fixture
def said(alice, bob, general):
    """A message of every sort: plain, rich, edited, deleted, only emoji, calling everyone."""
    edited, deleted = say(bob, general, "Frist"), say(bob, general, "Oops")
    edit_message(bob, edited, "First **ever**")
    delete_message(bob, deleted)
    others = [say(alice, general, text) for text in ("Hi", "| a |\n|:-:|\n| @bob |", ":tada:", "@room <b>&", "`x`")]
    return [edited, deleted, *others]


def resumed(socket, stream, cursor):
    answer = socket.emit("resume", {"epoch": socket.hello["epoch"], "streams": {stream: cursor}})
    return answer["streams"][stream]["frames"]


def test_the_page_shows_each_message_as_its_frame_brings_it(sign_in, live, bob, general, said):
    shown = page(sign_in, bob, general.path)

    frames = [payload for name, payload in resumed(live(bob), general.stream, said[0].seq - 1) if name == "message"]
    assert {frame["message"]["id"] for frame in frames} == {message.id for message in said}
    for frame in frames:
        assert frame["html"] in shown


def test_the_page_shows_each_line_as_its_frame_brings_it(sign_in, live, alice, bob, carol, general):
    watcher = live(bob, general)
    join_room(carol, general)
    set_role(alice, general, carol, "owner")
    leave_room(carol, general)
    add_member(alice, general, carol)
    change_room(alice, general, name="lobby", topic="Hi", description="There")
    archive_room(alice, general)

    frames = [payload for name, payload in watcher.received() if name in ("member", "room")]
    kinds = ["joined", "role", "left", "joined", "renamed", "topic", "description", "archived"]
    assert [frame["change"] for frame in frames] == kinds
    shown = page(sign_in, bob, general.path)
    for frame in frames:
        assert frame["html"] in shown


def test_the_sidebar_shows_a_new_room_as_its_frame_brings_it(sign_in, live, alice, bob):
    watcher = live(bob)
    room = create_room(alice, "plans", kind="private", topic="<i>")
    say(alice, room, "before")
    add_member(alice, room, bob)

    [frame] = watcher.received("me")
    assert frame["room"]["html"] in page(sign_in, bob, "/")


def test_a_message_is_the_same_wherever_it_is_answered(live, bob, general):
    sender, watcher = live(bob, general), live(bob, general)

    answer = sender.emit("message", {"room": general.id, "text": "Hi **there** @alice", "key": "k"})
    [frame] = watcher.received("message")
    [[_, again]] = resumed(sender, general.stream, frame["seq"] - 1)

    assert answer["message"] == frame["message"] == again["message"]
    assert sender.emit("message", {"room": general.id, "text": "Hi **there** @alice", "key": "k"}) == answer
    assert set(answer) == {"ok", "message"}


def test_a_message_has_the_fields_of_the_protocol_and_no_others(said, alice):
    for message in said:
        shown = present(message).to_json()
        assert set(shown) == MESSAGE
        assert set(shown["author"]) == AUTHOR
        assert shown["created_at"] == iso(message.created_at)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown["created_at"])
        empty = {name: shown[name] for name in ("thread", "reactions", "attachments", "reply_to", "pinned")}
        assert empty == {"thread": None, "reactions": [], "attachments": [], "reply_to": None, "pinned": None}


def test_every_frame_has_the_fields_that_the_wire_names(live, alice, bob, carol, general, said):
    watcher = live(bob, general)
    add_member(alice, general, carol)
    change_room(alice, general, name="lobby", topic="", description="")
    create_room(bob, "mine")
    say(alice, general, "Hi")

    received = watcher.received()
    assert {name for name, _ in received} >= {"member", "room", "me", "message", "subscribed"}
    for name, payload in received:
        assert set(wire.SERVER["/chat"][name].fields) <= set(payload), name


def test_a_shared_partial_knows_no_viewer(sign_in, alice, bob, carol, general, said):
    def items(person):
        html = page(sign_in, person, general.path).partition('data-room-target="column">')[2].partition("<template")[0]
        return re.findall(r'<article class="message.*?</article>|<p class="event".*?</p>', html, re.DOTALL)

    assert len(items(bob)) > len(said)
    assert items(alice) == items(bob) == items(carol)


def test_partials_are_drawn_without_a_request(app, said):
    """As broadcasts draw them: nothing in them may need to know who looks, or from where."""
    from flask import get_template_attribute, has_request_context

    assert not has_request_context()
    for message in said:
        assert f'id="message-{message.id}"' in get_template_attribute("messages/_message.html", "message_item")(
            present(message)
        )
