"""What rooms may be called, how slow they may be, and how long they keep what is said."""

import re
import unicodedata

from chat.core.errors import Invalid

NAME_LENGTH, TOPIC_LENGTH, DESCRIPTION_LENGTH = 60, 250, 2000
# Seconds between two messages of one member in slow mode, and how people call them.
PACES = {0: "Off", 5: "5 seconds", 10: "10 seconds", 30: "30 seconds", 60: "1 minute", 300: "5 minutes"}
# Vowel signs and accents that are characters of their own: no part of a word to Python, but to Hindi and Thai.
MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u0900-\u0963\u0981-\u0dff"
    "\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ece\u0f18-\u0f39\u0f71-\u0fbc\u102b-\u103e\u1056-\u109d\u17b4-\u17d3"
)
# Letters and digits of any script, joined by single - or _.
WORD = rf"[^\W_](?:(?!_)[\w{MARKS}])*"
WORDS = rf"{WORD}(?:[-_]{WORD})*"
NAME = re.compile(WORDS)
UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1b\x7f\u202a-\u202e\u2066-\u2069]")  # controls and direction overrides


def days_words(days):
    """For how long something is kept; None: for ever."""
    return "for ever" if days is None else "1 day" if days == 1 else f"{days:,} days"


def room_name(typed):
    """The name as stored: lower case, spaces as dashes, no #. Raises Invalid when nothing usable is left."""
    name = unicodedata.normalize("NFKC", typed or "").strip().lstrip("#").lower()
    name = re.sub(r"[\s-]+", "-", name).strip("-")
    if not name:
        raise Invalid("Give the room a name.", field="name")
    if len(name) > NAME_LENGTH:
        raise Invalid(f"That name has {len(name)} characters; {NAME_LENGTH} fit.", field="name")
    if not NAME.fullmatch(name):
        raise Invalid("Use letters and digits, with dashes between words.", field="name")
    return name


def line(typed, length, field):
    """One line of text, trimmed. Raises Invalid, naming the field, when it is too long."""
    text = " ".join(UNSEEN.sub("", typed or "").split())
    if len(text) > length:
        raise Invalid(f"That is {len(text)} characters; {length} fit.", field=field)
    return text


def paragraph(typed, length, field):
    """Several lines of text, trimmed. Raises Invalid, naming the field, when it is too long."""
    text = UNSEEN.sub("", typed or "").replace("\r\n", "\n").strip()
    if len(text) > length:
        raise Invalid(f"That is {len(text)} characters; {length} fit.", field=field)
    return text
