import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.core.errors import Invalid
from chat.messages.text import body_of, check_key, clean, content_hash
from tests.assertions import assert_queries


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("hi", "hi"),
        ("\n\n hi \n", "hi"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\tb", "a\tb"),
        ("a\x00\x07\x1b\x7fb", "ab"),
        ("a\u202eb\u2066c\u2069", "abc"),
        ("\u200fعربي\u200c", "\u200fعربي\u200c"),
    ],
)
def test_a_text_is_kept_as_typed_without_what_cannot_be_seen(typed, kept):
    assert clean(typed) == kept
    assert clean(kept) == kept


def test_the_length_counts_characters_after_cleaning():
    assert len(clean("\0" * 10 + "é" * 20_000)) == 20_000
    with pytest.raises(Invalid, match=r"20,001 characters; 20,000 fit"):
        clean("é" * 20_001)


def test_keys_are_visible_characters():
    assert check_key("5f0c5e0e-7b38-4f3e-9d3a-0a4a1f6f9d10")
    for key in ("", " ", "a\n", "ü", "x" * 65, None):
        with pytest.raises(Invalid):
            check_key(key)


def test_the_hash_tells_rooms_and_texts_apart():
    assert content_hash(1, "a") == content_hash(1, "a")
    assert len({content_hash(1, "a"), content_hash(2, "a"), content_hash(1, "b")}) == 3


@given(st.integers(0, 2**31), st.text())
def test_the_hash_is_that_of_json_with_sorted_keys(room_id, text):
    """As it is stored with messages that are years old."""
    content = {"room": room_id, "thread": None, "text": text, "attachments": [], "reply_to": None}

    assert content_hash(room_id, text) == hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def test_ones_own_name_is_a_link_but_calls_nobody(alice, bob, general):
    body = body_of(alice.id, general.id, "@alice and @bob")

    assert body.mentions == (bob.id,)
    assert 'href="/people/alice"' in body.html


def test_a_text_that_names_nobody_asks_the_database_nothing(alice, general):
    author_id, room_id = alice.id, general.id
    with assert_queries(0):
        body_of(author_id, room_id, "Just words, and an e-mail: none")
