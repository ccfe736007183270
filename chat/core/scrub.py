"""What must not stand in a log: a log is read by more people than the database, and kept in more places.

Passwords, codes, tokens and cookies are cut out of every line by what stands before them or by how they look; our own
secrets are cut out wherever they stand. Line breaks and control characters in a message cannot begin a line of its own.
"""

import re
from dataclasses import fields

GONE = "…"
NAMES = (
    r"(?:[\w-]*(?:password|passwd|secret|token|api[_-]?key|secret[_-]?key|credential|signature|verifier|assertion|nonce)"
    r"|passphrase|csrf|totp|otp|recovery_code|code|authorization|proxy-authorization)"
)
PATTERNS = [
    # Cookie: a=b; c=d and "Set-Cookie": "…", to the end of the line or of the quotes
    (re.compile(r"(?i)\b((?:set-|http_)?cookie['\"]?\s*[:=]\s*)(['\"]?)[^\r\n'\"]+\2"), rf"\1{GONE}"),
    (re.compile(r"(?i)\b((?:__host-|__secure-)?parley[\w-]*)=[^\s;,'\"&]+"), rf"\1={GONE}"),
    (re.compile(r"(?i)\b(authorization['\"]?\s*[:=]\s*)(['\"]?)(?:\w+\s+)?[^\s'\",;]+\2"), rf"\1{GONE}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"), rf"\1 {GONE}"),
    (
        re.compile(rf"(?i)\b({NAMES}['\"]?\s*(?:=|:|%3d)\s*)(?:'[^'\r\n]*'|\"[^\"\r\n]*\"|[^\s&,;'\")}}\]]+)"),
        rf"\1{GONE}",
    ),
    (re.compile(r"\beyJ[\w-]+\.[\w-]*\.?[\w-]*"), GONE),  # a JWT
    (re.compile(r"://[^/\s:@]*:[^/\s@]+@"), f"://{GONE}@"),  # a password in an address
    # In a path what no person has made up: 20 characters or more, not of lower case alone, such as an invite's code
    (re.compile(r"(?<=/)(?=[\w~\\-]*[A-Z0-9])[\w~\\-]{20,}"), GONE),
    (re.compile(r"/(invite|reset|move|confirm)/[^/\s?\"]+"), rf"/\1/{GONE}"),
]
SECRET_SETTING = re.compile("SECRET|PASSWORD|TOKEN|KEY")
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0))} | {
    ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", 0x2028: "\\u2028", 0x2029: "\\u2029"
}  # fmt: skip

_ours = set()


def hide_settings(settings):
    """From now on the secrets among these settings are cut out wherever they stand."""
    for f in fields(settings):
        if SECRET_SETTING.search(f.metadata["env"]):
            value = getattr(settings, f.name)
            _ours.update(part for part in (value if isinstance(value, tuple) else (value,)) if _is_secret(part))


def _is_secret(value):
    return isinstance(value, str) and len(value) >= 8


def scrub(text):
    """The text without its secrets."""
    for secret in _ours:
        text = text.replace(secret, GONE)
    for pattern, kept in PATTERNS:
        text = pattern.sub(kept, text)
    return text


def in_one_line(text):
    """The text with control characters spelled out, so that it cannot pass for a line of somebody else's."""
    return text.translate(CONTROLS)
