"""Names as people type them, made safe to show beside other text."""

import unicodedata

from chat.core.errors import Invalid

NAME_LENGTH = 60
JOINERS = "\u200c\u200d"  # invisible, and needed to write Persian, Hindi and many emoji


def one_line(typed, *, field, missing, length=NAME_LENGTH):
    """What was typed as one trimmed line of 1 to `length` characters. Raises Invalid naming the field.

    Control and direction-override characters go: with them a name could turn the text beside it around, or look
    exactly like somebody else's.

    missing   the sentence for when nothing is left.
    """
    shown = "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFC", typed or "") if _is_shown(c))
    line = " ".join(shown.split())
    if not line.strip(JOINERS):
        raise Invalid(missing, field=field)
    if len(line) > length:
        raise Invalid(f"That is {len(line)} characters; {length} fit.", field=field)
    return line


def _is_shown(character):
    """Not controls (Cc), overrides and other formats (Cf), halves of characters (Cs), or private ones (Co)."""
    kept = character.isspace() or character in JOINERS
    return kept or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")
