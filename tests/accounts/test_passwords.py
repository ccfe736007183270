import base64
import hashlib
import hmac
import stat
import threading
from dataclasses import replace

import bcrypt
import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from chat.accounts import passwords
from chat.accounts.passwords import (
    GOOD_ENOUGH,
    MIN_LENGTH,
    _score,
    check_password,
    hash_password,
    kept_key,
    mark,
    password_key,
    refuse_weak,
)
from chat.core.blocking import Bounded
from chat.core.errors import Invalid, RateLimited

PASSWORD = "lantern otter gravel plum"
ABOUT = ["Ada Lovelace", "ada", "ada.lovelace@example.org", "Tidewater"]


def test_the_right_password_is_right_and_others_are_wrong(app):
    stored = hash_password(PASSWORD)

    assert check_password(PASSWORD, stored).right
    for wrong in (PASSWORD + " ", PASSWORD.upper(), PASSWORD[:-1], "", "\0"):
        assert not check_password(wrong, stored).right


def test_the_same_password_is_stored_differently_each_time(app):
    assert hash_password(PASSWORD) != hash_password(PASSWORD)


def test_what_is_stored_is_bcrypt_over_a_keyed_hash(app):
    marked, _, stored = hash_password(PASSWORD).partition("$")
    digest = base64.b64encode(hmac.new(password_key(), PASSWORD.encode(), hashlib.sha256).digest())

    assert marked == mark(password_key())
    assert bcrypt.checkpw(digest, stored.encode())


@pytest.mark.parametrize("password", ["x" * 72 + "right", "four\0right", "é" * 512, "🦦" * 256, "\ud800" * 10])
def test_every_byte_of_a_password_counts(app, password):
    stored = hash_password(password)

    assert check_password(password, stored).right
    assert not check_password(password[:-1], stored).right
    assert not check_password(password[:4], stored).right


def test_an_accented_letter_is_the_same_on_every_keyboard(app):
    assert check_password("cafe\u0301 au lait", hash_password("caf\u00e9 au lait")).right


def test_longer_than_1024_bytes_is_refused_when_chosen_and_wrong_when_tried(app):
    with pytest.raises(Invalid) as refused:
        hash_password("é" * 513)

    assert refused.value.field == "password"
    assert not check_password("x" * 1_000_000, hash_password(PASSWORD)).right


@pytest.mark.parametrize("stored", [None, ""])
def test_nobodys_password_is_never_right_and_costs_the_same_work(app, monkeypatch, stored):
    looked_at, checkpw = [], bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda digest, kept: looked_at.append(kept[:7]) or checkpw(digest, kept))

    assert not check_password(PASSWORD, stored).right
    assert not check_password("wrong", hash_password(PASSWORD)).right
    assert looked_at == [b"$2b$04$", b"$2b$04$"]


def test_a_wrong_password_costs_as_much_as_for_nobody_where_the_hash_is_cheaper_than_todays(app, monkeypatch):
    """2^cost of work each: the cheap one, and what is added, make as much as one at today's cost."""
    work, checkpw = [], bcrypt.checkpw
    monkeypatch.setattr(
        bcrypt, "checkpw", lambda digest, kept: work.append(2 ** int(kept[4:6])) or checkpw(digest, kept)
    )
    old = hash_password(PASSWORD)
    monkeypatch.setitem(app.config, "PARLEY", replace(app.config["PARLEY"], bcrypt_cost=7))

    assert not check_password("wrong", old).right
    dearer, work[:] = sum(work), []
    assert not check_password("wrong", None).right

    assert dearer == sum(work) == 2**7


def test_a_hash_of_another_cost_is_renewed_when_the_password_is_right(app):
    key = password_key()
    old = passwords._hash(key, PASSWORD, 5)

    renewed = check_password(PASSWORD, old).renewed
    assert renewed.split("$")[3] == "04"
    assert check_password(PASSWORD, renewed) == (True, None)
    assert check_password("wrong", old).renewed is None


def test_a_hash_made_with_another_key_is_wrong_and_the_log_says_what_to_do(app, caplog):
    stored = hash_password(PASSWORD)
    app.extensions["password_key"] = b"another key, from another install......."

    assert not check_password(PASSWORD, stored).right
    assert "Restore that file from a backup" in caplog.text
    assert PASSWORD not in caplog.text


def test_when_too_many_wait_the_next_is_asked_to_come_back(app, monkeypatch):
    queue, running, finish = Bounded(running=1, waiting=0), threading.Event(), threading.Event()
    monkeypatch.setattr(passwords, "_hashing", queue)
    first = threading.Thread(target=queue.run, args=(lambda: running.set() or finish.wait(5),))
    first.start()
    running.wait(5)
    try:
        with pytest.raises(RateLimited) as refused:
            check_password(PASSWORD, None)
    finally:
        finish.set()
        first.join()

    assert refused.value.retry_after == 2
    assert not check_password(PASSWORD, None).right  # the next finds its place again


@pytest.mark.parametrize(
    "password", [PASSWORD, "Tr0ub4dor&3 tide", "zażółć gęślą jaźń", "x7#kQ9!mZ2@p", "🦦🌊⚓🦀🐚🐋🦈🐙🦑🐟"]
)
def test_good_passwords_pass(app, password):
    refuse_weak(password, about=ABOUT)


@pytest.mark.parametrize(
    "password",
    ["", "short", "123456789", "password123", "1234567890", "aaaaaaaaaaaa", "qwertyuiop", "lovelace12", "Ada Lovelace",
     "ada.lovelace@example.org", "ADA.LOVELACE@EXAMPLE.ORG", "tidewater1", "a" * 1000],
)  # fmt: skip
def test_weak_passwords_are_refused_with_the_remedy(app, password):
    with pytest.raises(Invalid) as refused:
        refuse_weak(password, about=ABOUT, field="new")

    assert refused.value.field == "new"
    assert "at least 10" in refused.value.message or "four odd words" in refused.value.message


@pytest.mark.parametrize(
    "password", ["parleyparley", "Parley2026!", "harbourtown1", "chat.harbourtown.example", "HARBOURTOWN99"]
)
def test_the_name_of_the_product_and_of_the_host_make_no_password(app, password):
    object.__setattr__(app.config["PARLEY"], "base_url", "https://chat.harbourtown.example")

    with pytest.raises(Invalid):
        refuse_weak(password, about=[])


def test_every_leaked_password_that_is_long_enough_is_refused(app):
    """zxcvbn's own list, of passwords that were used by many and leaked: 30,000, most of them too short already."""
    leaked = FREQUENCY_LISTS["passwords"]
    long_enough = [word for word in leaked if len(word) >= MIN_LENGTH]
    passed = [word for word in long_enough if _score(word, []) >= GOOD_ENOUGH]

    assert len(leaked) >= 3000
    assert len(long_enough) > 300
    assert passed == []


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "data" / "password_key"
    key = kept_key(path)

    assert len(key) == 64
    assert kept_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["password_key"]


def test_of_two_processes_that_make_a_key_at_once_both_use_the_same(tmp_path):
    path, keys, ready = tmp_path / "password_key", [], threading.Barrier(8)

    def make():
        ready.wait(5)
        keys.append(kept_key(path))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_a_key_file_that_lost_its_content_stops_the_program(tmp_path):
    path = tmp_path / "password_key"
    path.write_text("\n")

    with pytest.raises(RuntimeError, match="Restore it from a backup"):
        kept_key(path)
