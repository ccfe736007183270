"""New messages are drawn from a mold. It may never show: the partial is the one description of a message."""

from dataclasses import replace

import orjson
import pytest
from flask import get_template_attribute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.messages.presenter import present
from chat.realtime import frames
from tests.factories import say

NUMBERS, WORDS = st.integers(1, 2**31), st.text(min_size=1)
AUTHORS = st.fixed_dictionaries(
    {
        "id": NUMBERS, "name": WORDS, "username": WORDS, "path": WORDS, "initials": st.text(), "v": NUMBERS,
        "hue": st.integers(1, 12), "kind": st.sampled_from([None, "bot", "guest"]), "avatar_path": st.none() | WORDS,
    }
)  # fmt: skip
MESSAGES = st.fixed_dictionaries(
    {
        "id": NUMBERS, "room_id": NUMBERS, "seq": NUMBERS, "v": NUMBERS, "rev": NUMBERS, "key": WORDS,
        "html": st.text(), "created_at": WORDS, "clock": WORDS, "mentions": st.lists(NUMBERS, max_size=3),
        "mentions_room": st.booleans(), "is_emoji_only": st.booleans(),
    }
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_mold_yet(monkeypatch):
    monkeypatch.setattr(frames, "_molds", {})


@pytest.fixture
def view(app, alice, general):
    return present(say(alice, general, "Hi"))


def drawn(view):
    return str(get_template_attribute("messages/_message.html", "message_item")(view))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=MESSAGES, author=AUTHORS)
def test_whatever_a_message_says_and_whoever_says_it_the_mold_shows_what_the_partial_draws(view, message, author):
    shown = replace(view, author=replace(view.author, **author), **message)

    frame = frames.posted("room:1", shown.seq, shown)
    assert frame.payload["html"] == drawn(shown)


def test_a_frame_says_what_was_said_and_little_more(view):
    """A thousand people get it: the tools of a message, the same for all messages, are the page's."""
    said = replace(view, text="x" * 200, html=f"<p>{'x' * 200}</p>", key="k" * 36)
    size = len(orjson.dumps(frames.posted("room:1", view.seq, said).payload))

    assert size < 1_900, "of which 600 are the text, as text, as HTML and in the partial"


def test_the_mold_is_used_from_the_second_message_on(view, monkeypatch):
    frames.posted("room:1", view.seq, view)
    monkeypatch.setattr(type(frames._macro("messages/_message.html", "message_item")), "__call__", None)

    assert f'data-seq="{view.seq}"' in frames.posted("room:1", view.seq, view).payload["html"]


def test_a_partial_that_does_more_with_a_value_than_to_show_it_is_drawn_each_time(view, monkeypatch, caplog):
    """As when somebody shortens names in the template: the mold would show another name than the page."""

    def shortened(message):
        return f"{message.id}: {message.author.name[:3]}"

    monkeypatch.setattr(frames, "_macro", lambda template, name: shortened)
    for name in ("Alice", "Alexander"):
        shown = replace(view, author=replace(view.author, name=name))
        assert frames.posted("room:1", 1, shown).payload["html"] == f"{view.id}: {name[:3]}"
    assert "cannot be drawn from a mold" in caplog.text
