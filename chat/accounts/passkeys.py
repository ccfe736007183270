"""WebAuthn: what a browser is asked to do with a passkey, and whether its answer is to be believed.

A challenge lives in the Flask session of the browser that asked for it, for one purpose and five minutes. The browser
could bring an old cookie back, so that a challenge is used once is decided elsewhere: by `Passkey.used_at`, see
actions/passkeys.py.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import orjson
from flask import current_app, session
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from chat.core.clock import iso, now
from chat.core.errors import Invalid
from chat.site.queries import the_site

LASTS = timedelta(minutes=5)
KEPT_AS = "passkey"  # its name in the Flask session
OVER = "That took too long, or was sent twice. Try again."
REFUSED = "That passkey was not accepted. Try again, or use another way."
MOST_BYTES = 20_000


@dataclass(frozen=True)
class Challenge:
    value: bytes
    asked_at: datetime


@dataclass(frozen=True)
class Registered:
    """What a browser made, verified."""

    credential_id: str
    public_key: str
    sign_count: int
    transports: list


def relying_party():
    """The host that passkeys are bound to: that of BASE_URL."""
    return urlsplit(current_app.config["PARLEY"].base_url).hostname


def are_possible():
    """Browsers offer passkeys to pages behind TLS and on localhost, and to names rather than to numbers."""
    host = relying_party()
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return current_app.config["PARLEY"].secure or host == "localhost"
    return False


def origins():
    """Those of our pages whose host is the relying party's, or below it."""
    host = relying_party()
    hosts = {origin: urlsplit(origin).hostname or "" for origin in current_app.config["PARLEY"].origins}
    return sorted(origin for origin, name in hosts.items() if name == host or name.endswith(f".{host}"))


def ask_for_new(user, known, *, purpose):
    """Options for navigator.credentials.create(), as JSON. `known`: the passkeys that must not be made again."""
    options = generate_registration_options(
        rp_id=relying_party(), rp_name=the_site().name, user_name=user.username, user_display_name=user.name,
        user_id=user.id.to_bytes(8), exclude_credentials=[_described(passkey) for passkey in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
    )  # fmt: skip
    return _remembered(options, purpose)


def ask_for_known(known, *, purpose, verified):
    """Options for navigator.credentials.get(), as JSON. `known` empty: any passkey that the browser has for us.

    verified   the person has to prove themselves to their device, by a finger or a PIN
    """
    need = UserVerificationRequirement.REQUIRED if verified else UserVerificationRequirement.PREFERRED
    options = generate_authentication_options(
        rp_id=relying_party(), allow_credentials=[_described(passkey) for passkey in known], user_verification=need
    )
    return _remembered(options, purpose)


def _described(passkey):
    return PublicKeyCredentialDescriptor(id=base64url_to_bytes(passkey.credential_id))


def _remembered(options, purpose):
    session[KEPT_AS] = {"c": bytes_to_base64url(options.challenge), "at": iso(now()), "for": purpose}
    return options_to_json(options)


def take_challenge(purpose):
    """The Challenge that this browser was given for this purpose; it is gone from its session then. Raises Invalid."""
    kept = session.pop(KEPT_AS, None)
    if not isinstance(kept, dict) or kept.get("for") != purpose:
        raise Invalid(OVER)
    asked_at = datetime.fromisoformat(kept["at"])
    if not timedelta(0) <= now() - asked_at < LASTS:
        raise Invalid(OVER)
    return Challenge(base64url_to_bytes(kept["c"]), asked_at)


def credential_id_in(answer):
    """The id of the passkey that an answer claims to come from. Raises Invalid."""
    found = _parsed(answer).get("id")
    if not isinstance(found, str):
        raise Invalid(REFUSED)
    return found


def verified_new(answer, challenge):
    """What a browser made in answer to `ask_for_new`. Raises Invalid."""
    given = _parsed(answer)
    try:
        made = verify_registration_response(
            credential=given, expected_challenge=challenge.value, expected_rp_id=relying_party(),
            expected_origin=origins(),
        )  # fmt: skip
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Invalid(REFUSED) from error
    transports = given["response"].get("transports")
    known = ("usb", "nfc", "ble", "smart-card", "internal", "cable", "hybrid")
    return Registered(
        credential_id=bytes_to_base64url(made.credential_id),
        public_key=bytes_to_base64url(made.credential_public_key),
        sign_count=made.sign_count,
        transports=[word for word in known if isinstance(transports, list) and word in transports],
    )


def verified_use(answer, challenge, passkey, *, verified):
    """The sign count that comes with an answer to `ask_for_known` by this passkey; whoever stores it compares it with
    the last one. Some milliseconds. Raises Invalid."""
    try:
        return verify_authentication_response(
            credential=_parsed(answer), expected_challenge=challenge.value, expected_rp_id=relying_party(),
            expected_origin=origins(), credential_public_key=base64url_to_bytes(passkey.public_key),
            credential_current_sign_count=0, require_user_verification=verified,
        ).new_sign_count  # fmt: skip
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Invalid(REFUSED) from error


def _parsed(answer):
    try:
        found = orjson.loads(answer) if len(answer) <= MOST_BYTES else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("response"), dict):
        raise Invalid(REFUSED)
    return found
