"""Stored secrets can be read with the key outside the database, and with nothing else."""

import base64

import pytest
from cryptography.fernet import Fernet

from chat.accounts.actions.sealed import TOTP
from chat.accounts.models import Totp
from chat.core.clock import now
from chat.core.db import db
from chat.core.sealed import Unreadable, derived, reseal, seal, unseal
from chat.core.transaction import transaction

OLD, NEW = "an older key, long enough for the check of it", "a newer key, long enough for the check of it"


def keys(app, secret_key, *fallbacks):
    object.__setattr__(app.config["PARLEY"], "secret_key", secret_key)
    object.__setattr__(app.config["PARLEY"], "secret_key_fallbacks", fallbacks)


def test_what_was_sealed_is_read_again_and_does_not_show(app):
    sealed = seal("a secret", "totp")

    assert "secret" not in sealed
    assert unseal(sealed, "totp") == "a secret"


@pytest.mark.parametrize(
    "sealed", ["", "nothing", "gAAAAABk", "ümlaut", "gcm.", "gcm.AAAA", "gcm.ü", "gcm." + "A" * 80]
)
def test_what_we_did_not_seal_is_refused(app, sealed):
    with pytest.raises(Unreadable, match="SECRET_KEY_FALLBACKS"):
        unseal(sealed, "totp")


def test_what_was_sealed_for_one_purpose_serves_no_other(app):
    with pytest.raises(Unreadable):
        unseal(seal("a secret", "totp"), "webhook")


@pytest.mark.parametrize("place", [5, 20, -3])
def test_what_was_changed_since_is_refused(app, place):
    sealed = list(seal("a secret", "totp"))
    sealed[place] = "A" if sealed[place] != "A" else "B"

    with pytest.raises(Unreadable):
        unseal("".join(sealed), "totp")


def test_the_same_secret_is_sealed_differently_each_time(app):
    assert seal("a secret", "totp") != seal("a secret", "totp")


def test_what_earlier_versions_sealed_is_read_and_sealed_anew(app):
    key = derived(app.config["PARLEY"].secret_key, "sealed totp")
    earlier = Fernet(base64.urlsafe_b64encode(key)).encrypt(b"a secret").decode()

    assert unseal(earlier, "totp") == "a secret"
    assert reseal(earlier, "totp").startswith("gcm.")
    with pytest.raises(Unreadable):
        unseal(earlier, "webhook")


def test_an_older_key_reads_while_it_is_a_fallback_and_rotating_makes_it_unnecessary(app, alice):
    keys(app, OLD)
    with transaction():
        db.session.add(Totp(user_id=alice.id, sealed_secret=seal("a secret", TOTP), created_at=now()))

    keys(app, NEW, OLD)
    answer = app.test_cli_runner().invoke(args=["secrets", "rotate"])
    assert answer.output == "1 stored secrets are sealed with the present SECRET_KEY.\n"

    keys(app, NEW)
    assert unseal(db.session.get(Totp, alice.id).sealed_secret, TOTP) == "a secret"


def test_rotating_without_the_older_key_changes_nothing_and_says_what_is_missing(app, alice):
    keys(app, OLD)
    sealed = seal("a secret", TOTP)
    with transaction():
        db.session.add(Totp(user_id=alice.id, sealed_secret=sealed, created_at=now()))

    keys(app, NEW)
    answer = app.test_cli_runner().invoke(args=["secrets", "rotate"])
    assert answer.exit_code == 1
    assert "SECRET_KEY_FALLBACKS" in answer.output
    assert db.session.get(Totp, alice.id).sealed_secret == sealed
