"""What a message's text and key may be, and how a text is prepared before any lock is taken."""

import hashlib
import re
from dataclasses import replace
from json.encoder import encode_basestring_ascii as quoted

from chat.core.errors import Invalid
from chat.core.ledger import read
from chat.core.transaction import release
from chat.messages.formatting import EVERYONE, is_quick, names_in, render
from chat.messages.queries import people_named, place_of, rooms_named
from chat.rooms.policy import decide, standing_of

LONGEST = 20_000
KEY = re.compile(r"[\x21-\x7e]{1,64}")
# Control characters say nothing; bidirectional overrides make a text read as another one.
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


def clean(typed):
    """The text as stored. Raises Invalid when nothing is left or it is too long."""
    text = UNSEEN.sub("", typed.replace("\r\n", "\n").replace("\r", "\n")).strip("\n ")
    if not text.strip():
        raise Invalid("Write something first.", field="text")
    if len(text) > LONGEST:
        raise Invalid(f"That is {len(text):,} characters; {LONGEST:,} fit in one message.", field="text")
    return text


def check_key(key):
    if not KEY.fullmatch(key or ""):
        raise Invalid("The key must be 1 to 64 visible ASCII characters, such as a UUID.", field="key")
    return key


def body_of(author_id, room_id, text):
    """Render a clean text for this room: look up whom and what it names, then format. Three short queries at most, none
    for a text that names nobody."""
    people, rooms = names_in(text)
    names = {"people": people_named(people, author_id), "rooms": rooms_named(rooms, author_id)}
    may_call_all = EVERYONE in people and _may_call_all(author_id, room_id)
    if not is_quick(text):
        release()
    body = render(text, **names, may_call_all=may_call_all)
    if author_id in body.mentions:  # one's own name links like any other, but calls nobody
        body = replace(body, mentions=tuple(user_id for user_id in body.mentions if user_id != author_id))
    return body


def _may_call_all(author_id, room_id):
    place = place_of(read, author_id, room_id)
    if place is None:
        return False
    standing = standing_of(place.role, place.membership_role, place.kind)
    return bool(decide(standing, "mention_all", name=place.room_name, archived=place.archived))


def content_hash(room_id, text):
    """Tells a retry from another message under the same key."""
    content = f'{{"attachments": [], "reply_to": null, "room": {room_id}, "text": {quoted(text)}, "thread": null}}'
    return hashlib.sha256(content.encode()).hexdigest()
