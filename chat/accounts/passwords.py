"""Keeping passwords: hashed slowly, off the event loop, under a key that the database does not hold.

HMAC-SHA-256 with the install's password key, base64, then bcrypt. The HMAC takes passwords of any length and any bytes,
where bcrypt stops at 72 bytes and at a NUL; the key makes a stolen database alone useless for guessing. It is a file of
its own, since it must outlive changes of SECRET_KEY: see docs/decisions.
"""

import base64
import hashlib
import hmac
import logging
import os
import secrets
import unicodedata
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import bcrypt
from flask import current_app

from chat.core.blocking import Bounded, Full
from chat.core.errors import Invalid, RateLimited

log = logging.getLogger(__name__)

MIN_LENGTH, MAX_BYTES = 10, 1024
PRODUCT = "parley"
BESIDE_NAMES = 6  # characters that have to be left of a password without the names in it
GOOD_ENOUGH = 2  # of zxcvbn's 0 to 4
JUDGED_LENGTH = 32  # what zxcvbn looks at; its time grows steeply with the length

compared = [0]  # how many passwords this process compared with a hash, for /metrics
_hashing = Bounded(running=2, waiting=20)
_judging = Bounded(running=1, waiting=20)  # zxcvbn keeps the words of the person it judges for in a global


class Checked(NamedTuple):
    """Whether the password was right and, when its hash is of another cost than today's, the hash to store instead."""

    right: bool
    renewed: str | None = None


def hash_password(password):
    """Return what to store for `password`: the key's mark, $, and bcrypt's own format.

    About 0.2 s, in a native thread: never inside a transaction, nor with one open. Raises Invalid above `MAX_BYTES`;
    RateLimited when too many wait already.
    """
    if _size(password) > MAX_BYTES:
        raise Invalid(f"That password is longer than {MAX_BYTES} bytes. Choose a shorter one.", field="password")
    key, cost = password_key(), current_app.config["PARLEY"].bcrypt_cost
    return _in_turn(_hashing, _hash, key, password, cost)


def check_password(password, stored):
    """Compare with a stored hash; None stands for nobody's. Takes as long in every case. Returns Checked.

    The same conditions and refusals as `hash_password`, but too long a password is simply wrong.
    """
    key, cost = password_key(), current_app.config["PARLEY"].bcrypt_cost
    if stored and not stored.startswith(mark(key) + "$"):
        log.error("A password was hashed with another key than %s holds. Restore that file from a backup.", key_file())
        stored = None
    if _size(password) > MAX_BYTES:
        password, stored = "", None
    checked = _in_turn(_hashing, _check, key, password, stored, cost)
    compared[0] += 1
    return checked


def refuse_weak(password, *, about, field="password"):
    """Raise Invalid, naming the remedy, for a password that is short, about its owner, or easy to guess.

    about   words that belong to the person: name, user name, e-mail, community. What everybody knows is among them: the
            product's name, and the host of BASE_URL with its parts. Some milliseconds, in a native thread.
    """
    if len(password) < MIN_LENGTH:
        raise Invalid(f"That password has {len(password)} characters; use at least {MIN_LENGTH}.", field=field)
    about = (*about, PRODUCT, *_host_words())
    words = {word.casefold() for phrase in about for word in (phrase, *phrase.replace("@", " ").split())}
    if len(_without(words, password.casefold())) < BESIDE_NAMES:
        raise Invalid("That password is little more than a name. Use four odd words instead.", field=field)
    if _in_turn(_judging, _score, password[:JUDGED_LENGTH], sorted(words)) < GOOD_ENOUGH:
        raise Invalid("That password is easy to guess. Use four odd words, or a password manager.", field=field)


def _without(words, password):
    for word in sorted(words, key=len, reverse=True):
        if len(word) > 2:
            password = password.replace(word, "")
    return password


def _host_words():
    """chat.example.org, and chat and example: what stands in the address bar is no secret."""
    host = urlsplit(current_app.config["PARLEY"].base_url).hostname or ""
    return [host, *(part for part in host.split(".") if len(part) > 2)]


def _in_turn(queue, fn, *args):
    try:
        return queue.run(fn, *args)
    except Full:
        raise RateLimited("Many people are signing in at once. Try again in a moment.", retry_after=2) from None


# What runs in native threads: pure computing.


def _hash(key, password, cost):
    return f"{mark(key)}${bcrypt.hashpw(_digest(key, password), bcrypt.gensalt(cost)).decode()}"


def _check(key, password, stored, cost):
    kept = stored.partition("$")[2].encode() if stored else _nobodys(cost)
    digest, kept_cost = _digest(key, password), int(kept.split(b"$")[2])
    right = bcrypt.checkpw(digest, kept) and stored is not None
    if not right:  # each step costs twice the one before: with the first they take as long as one at today's cost
        for step in range(kept_cost, cost):
            bcrypt.checkpw(digest, _nobodys(step))
    return Checked(right, _hash(key, password, cost) if right and kept_cost != cost else None)


def _nobodys(cost):
    """A hash of the right form that no password has, so that an unknown name takes as long as a known one."""
    return bcrypt.gensalt(cost) + secrets.token_hex(16)[:31].encode()


def _digest(key, password):
    """44 bytes without NUL: what bcrypt takes whole. The same accented letter typed on two systems is the same."""
    typed = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.digest(key, typed, "sha256"))


def _score(password, words):
    from zxcvbn import zxcvbn

    return zxcvbn(password, user_inputs=words)["score"]


def _size(password):
    return len(password.encode("utf-8", "surrogatepass"))


# The key


def mark(key):
    """A short name for a key, stored with each hash: with another key a right password must not merely look wrong."""
    return hashlib.sha256(b"parley password key:" + key).hexdigest()[:8]


def key_file():
    return Path(current_app.config["PARLEY"].data_dir) / "password_key"


def password_key():
    """The key of this install, made on first use and read once."""
    extensions = current_app.extensions
    if "password_key" not in extensions:
        extensions["password_key"] = kept_key(key_file())
    return extensions["password_key"]


def kept_key(path):
    """The key in the file, made when there is none: complete or absent, and of two makers one wins."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".password_key-{secrets.token_hex(8)}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_text().strip().encode()
    if len(key) < 32:
        raise RuntimeError(f"{path} holds {len(key)} bytes; 32 are needed. Restore it from a backup.")
    return key
