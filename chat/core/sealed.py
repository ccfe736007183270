"""Secrets that have to be stored and read again, such as an authenticator's: sealed with a key that is not in the
database, so that a stolen copy of it alone opens none.

The keys come from SECRET_KEY and from SECRET_KEY_FALLBACKS, each by HMAC-SHA-256 for its purpose; sealing is Fernet
(AES-128-CBC with HMAC-SHA-256). What an older key sealed can be read, and `flask secrets rotate` seals it anew.
"""

import base64
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from flask import current_app


class Unreadable(Exception):
    """Sealed with a key that is no longer known, or not sealed by us."""


def seal(text, purpose):
    """The text as a string that only `unseal` with the same purpose reads."""
    return _box(purpose).encrypt(text.encode()).decode()


def unseal(sealed, purpose):
    """What was sealed. Raises Unreadable."""
    try:
        return _box(purpose).decrypt(sealed.encode()).decode()
    except (InvalidToken, ValueError) as error:
        message = "A stored secret cannot be read. Put the SECRET_KEY that sealed it into SECRET_KEY_FALLBACKS."
        raise Unreadable(message) from error


def reseal(sealed, purpose):
    """The same, sealed with the newest key. Raises Unreadable."""
    return seal(unseal(sealed, purpose), purpose)


def _box(purpose):
    settings = current_app.config["PARLEY"]
    keys = (settings.secret_key, *settings.secret_key_fallbacks)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(derived(key, f"sealed {purpose}"))) for key in keys])


def derived(secret_key, purpose):
    """32 bytes of a key for one purpose, which tell nothing about the key or the others."""
    return hmac.digest(secret_key.encode(), f"parley: {purpose}".encode(), "sha256")
