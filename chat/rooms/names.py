"""What rooms may be called."""

import re
import unicodedata

from chat.core.errors import Invalid

NAME_LENGTH, TOPIC_LENGTH, DESCRIPTION_LENGTH = 60, 250, 2000
# Letters and digits of any script, joined by single - or _.
NAME = re.compile(r"[^\W_]+(?:[-_][^\W_]+)*")


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
    text = " ".join((typed or "").split())
    if len(text) > length:
        raise Invalid(f"That is {len(text)} characters; {length} fit.", field=field)
    return text


def paragraph(typed, length, field):
    text = (typed or "").replace("\r\n", "\n").strip()
    if len(text) > length:
        raise Invalid(f"That is {len(text)} characters; {length} fit.", field=field)
    return text
