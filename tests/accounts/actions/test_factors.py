import json
from datetime import timedelta

import pyotp
import pytest

from chat.accounts import totp
from chat.accounts.actions import (
    admit,
    admit_by_code,
    begin_session,
    change_password,
    make_recovery_codes,
    recover,
    remove_passkey,
    remove_totp,
    reset_second_factors,
    set_up_totp,
    sign_in,
)
from chat.accounts.actions.admit import SET_UP, SHOW
from chat.accounts.actions.confirm import confirm_by_code, confirm_by_password, is_confirmed
from chat.accounts.actions.sealed import reseal_all
from chat.accounts.models import Passkey, RecoveryCode, Session, Totp
from chat.accounts.queries import codes_left, has_second_factor, passkeys_of, sessions_of, totp_of
from chat.accounts.signed_in import session_for
from chat.admin.models import AuditEntry
from chat.core import mail
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Conflict, Forbidden, Invalid, NotFound, RateLimited, Unauthorized
from chat.core.jobs import Job
from chat.site.queries import the_site
from tests.accounts.factors import require_from, with_app, with_passkey

NEW = "walnut ferry copper dusk"


def verbs():
    return [
        entry.verb
        for entry in db.session.query(AuditEntry).where(AuditEntry.verb != "room_role_changed").order_by(AuditEntry.seq)
    ]


@pytest.fixture
def phone(alice, clock):
    phone, codes = with_app(alice, clock)
    phone.codes = codes
    return phone


def come_in(code, password="four odd tide gauges"):
    waiting = sign_in("alice", password)
    return admit_by_code(waiting.user_id, waiting.mark, code)


# An authenticator app


def test_setting_one_up_takes_a_code_that_it_shows(alice, clock):
    secret = totp.new_secret()
    with pytest.raises(Invalid) as refused:
        set_up_totp(alice, secret, "000000")
    assert refused.value.field == "code"
    assert not has_second_factor(alice)

    with_app(alice, clock)
    assert has_second_factor(alice)
    assert verbs() == ["totp_set_up", "recovery_codes_made"]


def test_the_secret_is_not_in_the_database(alice, phone):
    kept = db.session.get(Totp, alice.id)

    assert phone.secret not in kept.sealed_secret
    reseal_all()
    assert come_in(phone.next_code())


def test_setting_up_ends_every_other_session(alice, clock):
    here, elsewhere = session_for(begin_session(alice)), begin_session(alice)
    secret = totp.new_secret()
    set_up_totp(alice, secret, pyotp.TOTP(secret).at(clock.moment), session=here)

    assert session_for(elsewhere) is None
    assert sessions_of(alice) == [here]


def test_with_it_the_password_alone_begins_no_session(alice, phone, password):
    waiting = sign_in("alice", password)

    assert (waiting.token, waiting.needs) == (None, SHOW)
    assert sessions_of(alice) == []


def test_with_its_code_one_comes_in(alice, phone, clock):
    session = session_for(come_in(phone.next_code()))

    assert session.user == alice
    assert session.second_factor_at == clock.moment


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_the_clock_of_a_phone_may_be_half_a_minute_wrong(phone, clock, steps):
    clock.wait(90)

    assert come_in(phone.code(steps))


@pytest.mark.parametrize("steps", [-2, 2])
def test_but_no_more(phone, clock, steps):
    clock.wait(90)

    with pytest.raises(Invalid):
        come_in(phone.code(steps))


def test_no_code_works_twice_nor_one_from_before_it(phone, clock):
    with pytest.raises(Invalid):
        come_in(phone.code())  # that of the set-up
    clock.wait(60)
    before, code = phone.code(-1), phone.code()
    assert come_in(code)

    for used in (code, before):
        with pytest.raises(Invalid):
            come_in(used)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12 34 5x", "\0" * 6, "9" * 5000])
def test_what_is_no_code_is_refused(phone, code):
    with pytest.raises(Invalid):
        come_in(code)


def test_spaces_in_it_do_not_matter(phone):
    code = phone.next_code()

    assert come_in(f" {code[:3]} {code[3:]} ")


def test_of_ten_thousand_guesses_at_most_the_limit_is_looked_at(phone, limits_on, monkeypatch):
    looked_at, compare = [], totp.matching_step
    monkeypatch.setattr(totp, "matching_step", lambda *args, **more: looked_at.append(1) or compare(*args, **more))
    waiting, limited = sign_in("alice", "four odd tide gauges"), 0
    for guess in range(10_000):
        try:
            admit_by_code(waiting.user_id, waiting.mark, f"{guess:06}")
        except RateLimited:
            limited += 1
        except Invalid:
            pass

    assert len(looked_at) <= 11
    assert limited >= 9_989
    with pytest.raises(RateLimited):  # a right one, too: guessing on tells nothing
        come_in(phone.next_code())


def test_right_codes_do_not_count(phone, limits_on):
    for _ in range(12):
        assert come_in(phone.next_code())


def test_who_waits_has_to_begin_again_when_the_password_changes(alice, phone, password):
    waiting = sign_in("alice", password)
    change_password(alice, session_for(begin_session(alice)), current=password, new=NEW)

    with pytest.raises(Unauthorized):
        admit_by_code(waiting.user_id, waiting.mark, phone.next_code())
    assert come_in(phone.next_code(), NEW)


def test_what_one_waits_with_is_good_for_oneself_only(alice, bob, phone, password):
    waiting = sign_in("alice", password)

    with pytest.raises(Unauthorized):
        admit_by_code(bob.id, waiting.mark, phone.next_code())


def test_moving_to_another_phone_keeps_the_codes_on_paper(alice, phone, clock):
    new, codes = with_app(alice, clock)

    assert codes == []
    with pytest.raises(Invalid):
        come_in(phone.next_code())
    assert come_in(new.next_code())
    assert come_in(phone.codes[0])


def test_removing_it_takes_the_question_away(alice, phone, password):
    remove_totp(alice)

    assert sign_in("alice", password).token
    assert "totp_removed" in verbs()
    with pytest.raises(NotFound):
        remove_totp(alice)


# Codes on paper


def test_ten_codes_are_made_with_the_first_factor_and_kept_as_hashes(alice, phone):
    kept = [code.code_hash for code in db.session.query(RecoveryCode)]

    assert len(set(phone.codes)) == len(kept) == 10
    assert not set(phone.codes) & set(kept)


def test_a_code_on_paper_stands_in_for_the_app_once(alice, phone):
    assert come_in(phone.codes[0].upper().replace("-", " "))
    assert codes_left(alice) == 9
    with pytest.raises(Invalid):
        come_in(phone.codes[0])
    assert verbs()[-1] == "recovery_code_used"


def test_letters_that_look_like_digits_are_meant_as_digits(alice, phone, monkeypatch):
    monkeypatch.setattr("chat.accounts.recovery_codes.new_codes", lambda: ["0110abcdef"])
    make_recovery_codes(alice)

    assert come_in("OIlO-abcdef")


def test_new_ones_take_the_place_of_the_old(alice, phone):
    new = make_recovery_codes(alice)

    with pytest.raises(Invalid):
        come_in(phone.codes[0])
    assert come_in(new[0])


def test_somebody_elses_code_is_none(alice, bob, phone):
    codes = make_recovery_codes(bob)

    with pytest.raises(Invalid):
        come_in(codes[0])
    assert codes_left(bob) == 10


# A forgotten password


def test_a_code_on_paper_sets_a_new_password_and_signs_nobody_in(alice, password):
    [code, *_], elsewhere = make_recovery_codes(alice), begin_session(alice)

    recover("alice", code, new=NEW)

    assert session_for(elsewhere) is None
    with pytest.raises(Invalid):
        sign_in("alice", password)
    assert sign_in("alice", NEW).token
    assert verbs()[-2:] == ["recovery_code_used", "password_recovered"]


def test_who_has_an_app_needs_its_code_as_well(alice, phone, password):
    for code in ("", "000000"):
        with pytest.raises(Invalid):
            recover("alice", phone.codes[0], code=code, new=NEW)
    with pytest.raises(Invalid):  # the one on paper is used up
        recover("alice", phone.codes[0], code=phone.next_code(), new=NEW)
    assert sign_in("alice", password)

    recover("alice", phone.codes[1], code=phone.next_code(), new=NEW)
    assert sign_in("alice", NEW).needs == SHOW


def test_paper_alone_goes_round_no_passkey(app, alice, password):
    """Whoever finds the sheet has ten codes: one for the password and another for the second step would be all."""
    with_passkey(app, alice)
    codes = make_recovery_codes(alice)
    with pytest.raises(Conflict, match="Sign in with the passkey instead of the password"):
        recover("alice", codes[0], new=NEW)

    assert codes_left(alice) == 10
    assert come_in(codes[0], password)  # it stands in for the passkey as ever


def test_with_an_app_beside_the_passkey_the_app_is_asked(app, alice, phone):
    with_passkey(app, alice)

    recover("alice", phone.codes[0], code=phone.next_code(), new=NEW)
    assert sign_in("alice", NEW).needs == SHOW


def test_what_paper_cannot_do_is_told_to_who_has_the_code_alone(app, alice):
    with_passkey(app, alice)

    with pytest.raises(Invalid, match="do not match"):
        recover("alice", "0000-000000", new=NEW)


@pytest.mark.parametrize("login", ["nobody", "bob", "alice"])
def test_unknown_names_and_wrong_codes_get_the_same_answer(alice, bob, login):
    codes = make_recovery_codes(alice)
    with pytest.raises(Invalid) as refused:
        recover(login, "0000-000000" if login == "alice" else codes[0], new=NEW)

    assert refused.value.message == "That name and those codes do not match. Each code works once."


def test_a_closed_account_is_not_recovered(alice, change):
    [code, *_] = make_recovery_codes(alice)
    change(alice, deactivated_at=now())

    with pytest.raises(Invalid):
        recover("alice", code, new=NEW)


def test_guessing_is_limited_as_it_is_with_passwords(alice, limits_on):
    [code, *_] = make_recovery_codes(alice)
    for _ in range(5):
        with pytest.raises(Invalid):
            recover("alice", "00000-00000", new=NEW)
    with pytest.raises(RateLimited):
        recover("alice", code, new=NEW)


def test_a_weak_password_costs_no_code(alice):
    [code, *_] = make_recovery_codes(alice)
    with pytest.raises(Invalid) as refused:
        recover("alice", code, new="1234567890")

    assert refused.value.field == "new"
    assert codes_left(alice) == 10


# Who needs one


@pytest.mark.parametrize(
    ("setting", "who", "needs"),
    [("nobody", "ada", None), ("admin", "ada", SET_UP), ("admin", "alice", None), ("moderator", "ada", SET_UP),
     ("moderator", "alice", None), ("everyone", "alice", SET_UP)],
)  # fmt: skip
def test_the_community_says_who_needs_one(app, request, setting, who, needs):
    require_from(setting)

    assert admit(request.getfixturevalue(who)).needs == needs


def test_bots_need_none(robot, change):
    change(robot, role="bot")
    require_from("everyone")

    assert admit(robot).token


def test_who_needs_one_cannot_remove_the_last(app, alice, phone):
    require_from("everyone")
    with pytest.raises(Forbidden) as refused:
        remove_totp(alice)
    assert "Set up another" in refused.value.message

    with_passkey(app, alice)
    remove_totp(alice)
    with pytest.raises(Forbidden):
        remove_passkey(alice, passkeys_of(alice)[0])
    require_from("nobody")
    remove_passkey(alice, passkeys_of(alice)[0])
    assert not has_second_factor(alice)


def test_an_administrator_takes_them_away_from_who_lost_them(app, ada, alice, phone, password):
    with_passkey(app, alice)
    elsewhere = begin_session(alice)

    reset_second_factors(ada, alice)

    assert (totp_of(alice), passkeys_of(alice), codes_left(alice)) == (None, [], 0)
    assert session_for(elsewhere) is None
    assert sign_in("alice", password).token
    assert verbs()[-1] == "second_factors_reset"


def test_nobody_else_does_nor_an_administrator_to_the_owner(ada, alice, bob, phone, change):
    for actor, role, subject in ((bob, "moderator", alice), (alice, "member", alice), (bob, "admin", ada)):
        change(actor, role=role)
        with pytest.raises(Forbidden):
            reset_second_factors(actor, subject)
    assert totp_of(alice)


# Confirming


@pytest.fixture
def session(alice, clock):
    session = session_for(begin_session(alice))
    clock.wait(600)
    return session


def test_signing_in_confirms_for_ten_minutes(alice, clock):
    session = session_for(begin_session(alice))
    clock.wait(599)
    assert is_confirmed(session)
    clock.wait(1)
    assert not is_confirmed(session)


def test_confirming_puts_a_new_session_in_the_place_of_the_old(alice, session, password):
    old = session.id
    new = session_for(confirm_by_password(alice, session, password))

    assert new.id != old
    assert is_confirmed(new)
    assert db.session.get(Session, old).revoked_at
    assert new.second_factor_at is None


def test_a_code_of_the_app_confirms_and_one_on_paper_does_not(alice, session, clock):
    phone, codes = with_app(alice, clock)
    session = session_for(begin_session(alice))
    with pytest.raises(Invalid):
        confirm_by_code(alice, session, codes[0])
    assert codes_left(alice) == 10

    assert session_for(confirm_by_code(alice, session, phone.next_code())).second_factor_at


def test_a_session_that_was_ended_meanwhile_is_not_renewed(alice, session, password, change):
    change(session, revoked_at=session.created_at + timedelta(seconds=1))

    with pytest.raises(Unauthorized):
        confirm_by_password(alice, session, password)


def test_wrong_passwords_count_as_at_sign_in(alice, session, limits_on):
    for _ in range(5):
        with pytest.raises(Invalid):
            confirm_by_password(alice, session, "a wrong password")
    with pytest.raises(RateLimited):
        sign_in("alice", "four odd tide gauges")


# Everything in the audit log is plain values


def test_no_secret_is_in_the_audit_log(app, alice, phone):
    with_passkey(app, alice)
    said = json.dumps([entry.data for entry in db.session.query(AuditEntry)])

    assert phone.secret not in said
    assert not any(code in said for code in phone.codes)
    assert db.session.query(Passkey).one().credential_id not in said


# Where people come in through an identity provider alone


def test_where_passwords_are_off_a_recovery_code_sets_none(alice, ada, change):
    [code, *_], [owners, *_] = make_recovery_codes(alice), make_recovery_codes(ada)
    change(the_site(), settings={**the_site().settings, "password_sign_in": False})
    with pytest.raises(Invalid):
        recover("alice", code, new=NEW)
    assert codes_left(alice) == 10

    recover("ada", owners, new=NEW)  # owners keep theirs, so that nobody is locked out


# What comes by mail


def letters():
    return [(job.data["to"], job.data["values"].get("what")) for job in db.session.query(Job) if job.kind == mail.KIND]


def test_a_letter_tells_about_every_change(app, ada, alice, clock, monkeypatch):
    monkeypatch.setattr(mail, "is_on", lambda: True)
    with_app(alice, clock)
    remove_totp(alice)
    reset_second_factors(ada, alice)

    assert letters() == [
        (alice.email, "An authenticator app was set up."),
        (alice.email, "The authenticator app was removed."),
        (alice.email, "Ada, an administrator, took away all second factors."),
    ]


def test_without_mail_there_is_none(alice, clock):
    with_app(alice, clock)

    assert letters() == []
