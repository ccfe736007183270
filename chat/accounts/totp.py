"""Codes of authenticator apps (RFC 6238): six digits, a new one every thirty seconds. Nothing is stored here."""

import hmac

import pyotp
import segno
from markupsafe import Markup

from chat.core.clock import now
from chat.site.names import NAME_LENGTH

STEP_SECONDS = 30
AHEAD_AND_BEHIND = (0, -1, 1)  # steps by which the clock of a phone may be wrong


def new_secret():
    """160 random bits, as apps take them."""
    return pyotp.random_base32()


def matching_step(secret, code, *, after=0):
    """The number of the step whose code this is, or None. `after`: the last one that was used; no code works twice."""
    present, totp = int(now().timestamp()) // STEP_SECONDS, pyotp.TOTP(secret)
    for step in (present + offset for offset in AHEAD_AND_BEHIND):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()) and step > after:
            return step
    return None


def address_of(secret, *, person, community):
    """The otpauth: address that an app reads from the picture, or that a link on a phone opens. The picture holds some
    2,000 characters of it, so names are cut where they are no names any more."""
    issuer = community.replace(":", " ")[:NAME_LENGTH]
    return pyotp.TOTP(secret).provisioning_uri(name=person[:NAME_LENGTH], issuer_name=issuer)


def picture_of(address):
    """The address as a QR code: SVG without style and script."""
    code = segno.make(address, error="m", micro=False)
    return Markup(code.svg_inline(svgclass=None, lineclass=None, omitsize=True, dark="#000", light="#fff"))  # noqa: S704


def in_groups(secret):
    """As people copy it by hand: four letters at a time."""
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
