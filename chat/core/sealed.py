"""Secrets that have to be stored and read again, such as an authenticator's: sealed with a key that is not in the
database, so that a stolen copy of it alone opens none.

The keys come from SECRET_KEY and from SECRET_KEY_FALLBACKS, each by HMAC-SHA-256 for its purpose; sealing is
AES-256-GCM with a random nonce. What an older key sealed can be read, and `flask secrets rotate` seals it anew; so can
what versions before 0.2 sealed, with Fernet (AES-128-CBC and HMAC-SHA-256).
"""

import base64
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app

MARK, NONCE_BYTES = "gcm.", 12  # of Fernet the first character is always "g", the second "A"


class Unreadable(Exception):
    """Sealed with a key that is no longer known, or not sealed by us."""


def seal(text, purpose):
    """The text as a string that only `unseal` with the same purpose reads."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(_keys(purpose)[0]).encrypt(nonce, text.encode(), purpose.encode())
    return MARK + base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(sealed, purpose):
    """What was sealed. Raises Unreadable."""
    try:
        return (_unseal if sealed.startswith(MARK) else _unseal_fernet)(sealed, _keys(purpose), purpose).decode()
    except (InvalidTag, InvalidToken, ValueError) as error:
        message = "A stored secret cannot be read. Put the SECRET_KEY that sealed it into SECRET_KEY_FALLBACKS."
        raise Unreadable(message) from error


def _unseal(sealed, keys, purpose):
    data = base64.b64decode(sealed.removeprefix(MARK), altchars=b"-_", validate=True)
    nonce, data = data[:NONCE_BYTES], data[NONCE_BYTES:]
    for key in keys:
        try:
            return AESGCM(key).decrypt(nonce, data, purpose.encode())
        except InvalidTag:
            continue
    raise InvalidTag


def _unseal_fernet(sealed, keys, _purpose):
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys]).decrypt(sealed.encode())


def reseal(sealed, purpose):
    """The same, sealed with the newest key. Raises Unreadable."""
    return seal(unseal(sealed, purpose), purpose)


def _keys(purpose):
    """The one that seals first."""
    settings = current_app.config["PARLEY"]
    return [derived(key, f"sealed {purpose}") for key in (settings.secret_key, *settings.secret_key_fallbacks)]


def derived(secret_key, purpose):
    """32 bytes of a key for one purpose, which tell nothing about the key or the others."""
    return hmac.digest(secret_key.encode(), f"parley: {purpose}".encode(), "sha256")
