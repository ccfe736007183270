"""What people may be called: names, user names, e-mail addresses, and the line about themselves."""

import re
import unicodedata
from functools import cache
from itertools import count
from zoneinfo import available_timezones

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from chat.core.errors import Invalid
from chat.site.names import one_line

BIO_LENGTH = 500
USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")
# Words that mean everybody, the machine, or nobody: an @mention of them must not reach one person.
RESERVED = {
    "all", "anyone", "channel", "everybody", "everyone", "group", "here", "me", "nobody", "online", "parley", "people",
    "room", "somebody", "someone", "system", "team", "you",
}  # fmt: skip
# Letters that Unicode does not take apart into a plain one and an accent.
PLAIN = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})


# Addresses of an office's own network, such as ada@office.local, sign people in as well as public ones.
SPECIAL_USE_DOMAIN_NAMES.clear()


def person_name(typed, *, field="name"):
    return one_line(typed, field=field, missing="Give a name that people know you by.")


def short_line(typed, *, field):
    """A line about a person, such as what they do: as a name, but it may be left out."""
    return one_line(typed, field=field, missing="") if (typed or "").strip() else ""


def user_name(typed):
    """The user name as stored: lower case, without the @. Raises Invalid with what is allowed."""
    name = (typed or "").strip().removeprefix("@").lower()
    if not USERNAME.fullmatch(name) or name.endswith("."):  # "ask @ada." is about ada, at the end of a sentence
        raise Invalid(
            "A user name has 2 to 32 letters a to z, digits, and . _ - and begins with a letter or digit.",
            field="username",
        )
    if name in RESERVED:
        raise Invalid(f"@{name} has a meaning of its own. Choose another user name.", field="username")
    return name


def user_names_for(name, email):
    """Possible user names for somebody called `name`, the best first, without end.

    The first name, then first and last, then with numbers. From the e-mail address when the name has no Latin letters.
    """
    words = _latin_words(name) or _latin_words(email.partition("@")[0]) or ["person"]
    whole = f"{words[0]}.{words[-1]}" if len(words) > 1 else words[0]
    for candidate in dict.fromkeys((words[0], whole)):
        if USERNAME.fullmatch(candidate) and candidate not in RESERVED:
            yield candidate
    stem = whole[:26].rstrip(".")
    yield from (f"{stem}{number}" for number in count(2))


def _latin_words(text):
    plain = unicodedata.normalize("NFKD", text.lower().translate(PLAIN))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return re.findall(r"[a-z0-9]+", re.sub(r"['’]", "", plain)) if re.search("[a-z]", plain) else []


def login_name(typed):
    """What was typed as an e-mail address or a user name, as it is looked up and as guesses at it are counted: written
    so that it counts as another name, it must not be found as this one, or the limit would tell who exists."""
    return typed.replace("\0", "").strip().lower()[:254]


def email_address(typed):
    """The address as stored, in lower case. Raises Invalid; nothing is looked up or sent."""
    try:
        found = validate_email((typed or "").strip(), check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        raise _incomplete_address() from None
    if ("." not in found.domain and found.domain != "localhost") or len(found.normalized) > 254:
        raise _incomplete_address()
    return found.normalized.lower()


def _incomplete_address():
    return Invalid("That is not a complete e-mail address, such as ada@example.org.", field="email")


def about_oneself(typed):
    """Some lines about oneself: without control characters, at most `BIO_LENGTH` characters."""
    text = (typed or "").replace("\r\n", "\n").strip()
    text = "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs"))
    if len(text) > BIO_LENGTH:
        raise Invalid(f"That is {len(text)} characters; {BIO_LENGTH} fit.", field="bio")
    return text


@cache
def time_zones():
    """The names of time zones that people choose from: UTC and those called by a place."""
    return frozenset(
        z for z in available_timezones() if z == "UTC" or ("/" in z and not z.startswith(("Etc/", "posix/")))
    )
