"""Codes on paper: ten at a time, 50 bits each, written without letters that look like digits.

Kept as HMAC-SHA-256 under the install's password key, which outlives changes of SECRET_KEY: a stolen database alone
cannot be searched for them, and at 50 bits nothing slower is needed.
"""

import hmac
import secrets

from chat.accounts.passwords import password_key

HOW_MANY, FEW = 10, 3
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 10
AS_READ = str.maketrans("oil", "011")


def new_codes():
    return ["".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for _ in range(HOW_MANY)]


def as_written(code):
    """With a hyphen in the middle."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def as_typed(text):
    """The code somebody meant, whatever the case and the gaps; "" when it cannot be one."""
    code = "".join(text.lower().replace("-", "").split()).translate(AS_READ)
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else ""


def hash_of(user_id, code):
    return hmac.digest(password_key(), f"recovery code {user_id}: {code}".encode(), "sha256").hex()
