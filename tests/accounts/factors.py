"""Second factors for tests, set up by the real actions."""

import json
from datetime import UTC, datetime, timedelta

import pyotp

from chat.accounts import totp
from chat.accounts.actions import register_passkey, set_up_totp
from chat.accounts.actions.confirm import LASTS
from chat.accounts.models import Session
from chat.accounts.passkeys import ask_for_new, take_challenge
from chat.accounts.queries import passkeys_of
from chat.core.db import db
from chat.core.transaction import transaction
from chat.site.queries import the_site
from tests.accounts.authenticator import Authenticator


class Phone:
    """An authenticator app. Its clock is the test's: `wait` lets time pass."""

    def __init__(self, secret, clock):
        self.secret, self.clock = secret, clock

    def code(self, steps=0):
        return pyotp.TOTP(self.secret).at(self.clock.moment.timestamp() + steps * totp.STEP_SECONDS)

    def next_code(self):
        """One that was not used yet."""
        self.clock.wait(totp.STEP_SECONDS)
        return self.code()


class Clock:
    """The time, for everything that asks for it by name below chat/accounts."""

    def __init__(self):
        self.moment = datetime.now(UTC).replace(microsecond=0)

    def now(self):
        return self.moment

    def wait(self, seconds):
        self.moment += timedelta(seconds=seconds)


def with_app(user, clock):
    """Set up an authenticator app for this person. Returns (Phone, recovery codes)."""
    phone = Phone(totp.new_secret(), clock)
    return phone, set_up_totp(user, phone.secret, phone.code())


def with_passkey(app, user, *, name="Key", **options):
    """Give this person a passkey. Returns its Authenticator."""
    device = Authenticator(**options)
    with app.test_request_context():
        asked = json.loads(ask_for_new(user, passkeys_of(user), purpose="test"))
        register_passkey(user, device.create(asked), take_challenge("test"), name=name)
    return device


def require_from(who):
    """The community's setting `second_factor`."""
    with transaction():
        the_site().settings = {**the_site().settings, "second_factor": who}


def unconfirm():
    """As if every session had been begun a while ago."""
    with transaction():
        for session in db.session.query(Session):
            session.confirmed_at -= LASTS
