"""Attacks on every address there is, also on later ones. What counts is what the database holds afterwards."""

import json
import re
import uuid
from hashlib import sha256
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest
from flask import g
from sqlalchemy import select

from chat.accounts.models import User
from chat.core.db import db
from tests import payloads
from tests.conftest import FIGURES
from tests.contracts.test_security import VALUES, addresses
from tests.factories import PASSWORD, say
from tests.length import part

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def stored():
    """A hash of everything in the database."""
    db.session.rollback()
    digest = sha256()
    for table in db.metadata.sorted_tables:
        rows = db.session.execute(select(table)).all()
        digest.update(repr((table.name, sorted(map(repr, rows)))).encode())
    db.session.rollback()
    return digest.hexdigest()


def token_of(window):
    g.pop("csrf_token", None)  # a request leaves it in the context, which is the same here for all
    return re.search(r'name="csrf-token" content="([^"]+)"', window.get("/").text)[1]


def filled():
    """Values that most forms and requests take: let through, they change something."""
    return {
        "text": "Set by an attacker",
        "key": str(uuid.uuid4()),
        "name": "harbour",
        "username": "harbour",
        "topic": "Tides",
        "description": "",
        "kind": "public",
        "bio": "Set by an attacker",
        "time_zone": "Europe/Berlin",
        "person": "carol",
        "role": "moderator",
        "seq": "0",
        "sign_up": "open",
        "expires_days": "7",
        "max_uses": "5",
        "login": "alice",
        "password": PASSWORD,
        "current": PASSWORD,
        "new": "other odd tide gauges",
        "email": "attacker@example.org",
        "room": "1",
        "reason": "None at all",
        "confirmed": "1",
        "title": "Harbour",
        "rev": "1",
        "everywhere": "1",
    }


def attack(window, method, path, *, query="", data=None, headers=None):
    g.pop("csrf_token", None), g.pop("csrf_valid", None)
    sent = {"json": data} if path.startswith("/api/") else {"data": data}
    return window.open(path + query, method=method, headers=headers, **sent)


def csrf_attacks(own, other):
    """{name: how a request of another site may look} for somebody whose cookie the browser adds."""
    foreign = {"Origin": "https://evil.example", "Referer": "https://evil.example/page"}
    return {
        "no token": {},
        "an empty token": {"form": {"csrf_token": ""}, "headers": {"X-CSRFToken": ""}},
        "another session's token": {"form": {"csrf_token": other}, "headers": {"X-CSRFToken": other}},
        "its own token, from another site": {
            "form": {"csrf_token": own},
            "headers": {"X-CSRFToken": own, "Sec-Fetch-Site": "cross-site"},
        },
        "its own token, from another origin": {"form": {"csrf_token": own}, "headers": {"X-CSRFToken": own, **foreign}},
        "its own token, in the address and a cookie": {
            "query": f"?csrf_token={own}",
            "headers": {"Cookie-Token": own},
            "cookie": ("csrf_token", own),
        },
    }


@pytest.fixture
def window(sign_in, alice, general):
    say(alice, general, "Hi")
    return sign_in(alice, csrf=True)


def test_no_other_site_changes_anything_in_six_ways_at_every_address(app, window, sign_in, bob):
    other = token_of(sign_in(bob, csrf=True))
    own, before, tried = token_of(window), stored(), 0
    for name, how in csrf_attacks(own, other).items():
        if "cookie" in how:
            window.set_cookie(*how["cookie"])
        for method in UNSAFE:
            for endpoint, path in addresses(app, method):
                answer = attack(
                    window,
                    method,
                    path,
                    query=how.get("query", ""),
                    data=filled() | how.get("form", {}),
                    headers=how.get("headers"),
                )
                assert 400 <= answer.status_code < 500, (name, method, path, answer.status_code)
                assert stored() == before, (name, method, path, endpoint)
                tried += 1
    assert token_of(window)  # still signed in
    FIGURES.append(f"CSRF: {tried} requests in 6 ways at {tried // 6} addresses, nothing written")


@pytest.mark.parametrize("how", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"])
def test_no_get_can_pass_for_a_post(app, window, how):
    before = stored()
    for method in UNSAFE:
        for endpoint, path in addresses(app, method):
            query = f"?_method={method}" if how == "_method" else ""
            for verb in ("GET", "HEAD"):
                window.open(path + query, method=verb, headers={how: method}, data={"_method": method} | filled())
            assert stored() == before, (method, path, endpoint)


def anew(user_id):
    """The person as they were, whatever an earlier request made of their account."""
    user = db.session.get(User, user_id)
    if user.deactivated_at:
        user.deactivated_at = None
        db.session.commit()
    return user


def test_with_its_token_many_of_these_requests_would_change_something(app, sign_in, alice, general):
    """So that the tests above can fail: the same requests, from a page of ours."""
    say(alice, general, "Hi")
    changed, same, alice_id = [], [], alice.id
    ways = [(method, path) for method in UNSAFE for _endpoint, path in addresses(app, method)]
    endings = re.compile("leave|remove|archive|delete|revoke|close|end|logout|account|read")
    for method, path in sorted(ways, key=lambda way: bool(endings.search(way[1]))):
        window = sign_in(anew(alice_id), csrf=True)
        own = token_of(window)
        before = stored()
        attack(window, method, path, data=filled() | {"csrf_token": own}, headers={"X-CSRFToken": own})
        (same if stored() == before else changed).append(path)
    assert len(changed) >= 15, same
    FIGURES.append(f"The same requests with their token: {len(changed)} of {len(changed) + len(same)} write")


# Where one is led to


def leads_elsewhere(location, base="http://localhost:5000/login"):
    """Whether a browser would leave our site for this Location. Browsers drop tabs and line breaks and read \\ as /."""
    read = re.sub(r"[\t\n\r]", "", location).strip("".join(map(chr, range(33)))).replace("\\", "/")
    target = urlsplit(urljoin(base, read))
    return target.scheme not in ("http", "https") or target.hostname != "localhost"


def test_the_judge_of_locations_knows_evil_when_it_sees_it():
    assert leads_elsewhere("//evil.example")
    assert leads_elsewhere("/\\evil.example")
    assert leads_elsewhere("/\t/evil.example")
    assert leads_elsewhere("javascript:alert(1)")
    assert not leads_elsewhere("/rooms/1?x=//evil.example")


def test_there_are_sixty_places_to_be_led_to():
    assert len(set(payloads.elsewhere())) >= 60


@pytest.mark.parametrize("wanted", payloads.elsewhere())
def test_signing_in_leads_nowhere_else(client, sign_in, alice, wanted):
    signed_in = sign_in(alice).get("/login", query_string={"next": wanted})
    assert signed_in.status_code == 303
    assert not leads_elsewhere(signed_in.location), wanted

    page = client.get("/login", query_string={"next": wanted})
    for form_target in re.findall(r'(?:action|href|formaction)="([^"]*)"', page.text):
        assert not leads_elsewhere(unescape(form_target)), wanted
    answer = client.post("/login", data={"login": "alice", "password": PASSWORD, "next": wanted})
    assert answer.status_code == 303
    assert not leads_elsewhere(answer.location), wanted


def test_no_address_follows_a_next_or_a_referrer_elsewhere(app, sign_in, client, alice, general):
    say(alice, general, "Hi")
    wanted = [f"//{payloads.EVIL}", f"/\\{payloads.EVIL}", f"https://{payloads.EVIL}/", f"/\t/{payloads.EVIL}"]
    for method in ("GET", "POST"):
        for _endpoint, path in addresses(app, method):
            for place in part(wanted, len(path), of=2):
                names = dict.fromkeys(("next", "url", "to", "return", "redirect_uri", "continue"), place)
                for window in (sign_in(alice), client):
                    answer = window.open(
                        path,
                        method=method,
                        query_string=names,
                        data=names if method == "POST" else None,
                        headers={"Referer": "http://localhost" + place.replace("\t", "%09")},
                    )
                    if answer.location and not is_provider(answer.location):
                        assert not leads_elsewhere(answer.location), (method, path, answer.location)


def is_provider(location):
    """Where sign-in through others is set up, its beginning leads to them by design; what they get is tested there."""
    return urlsplit(location).path.endswith(("/authorize", "/auth"))


@pytest.mark.parametrize("place", payloads.elsewhere())
def test_going_back_leads_nowhere_else(sign_in, bob, general, place):
    for referrer in (place, f"http://localhost{place}", f"http://localhost/{place}"):
        referrer = re.sub(r"[\r\n\x00]", "", referrer)
        answer = sign_in(bob).post("/read-all", headers={"Referer": referrer})
        assert answer.status_code == 303
        assert not leads_elsewhere(answer.location), referrer


# Headers


def strings_of(rule):
    return [name for name in rule.arguments if "Integer" not in type(rule._converters[name]).__name__]


def test_line_breaks_make_no_headers(app, sign_in, alice, general):
    """In paths, queries, forms, the referrer and the name of the host: 30 texts, `part` of them at each address."""
    say(alice, general, "Hi")
    window, adapter, tried = sign_in(alice), app.url_map.bind("localhost"), 0
    for number, rule in enumerate(app.url_map.iter_rules()):
        for text in part(payloads.header_lines(), number, of=6):
            for method in rule.methods & {"GET", "POST"}:
                values = {name: text if name in strings_of(rule) else VALUES[name] for name in rule.arguments}
                path = adapter.build(rule.endpoint, values, method).replace("\r", "%0d").replace("\n", "%0a")
                names = {"next": text, "q": text, "name": text, "seq": text, "rooms": text, "person": text}
                answer = window.open(path, method=method, query_string=names, data=names if method == "POST" else None)
                tried += 1
                assert answer.status_code < 500 or rule.endpoint == "ops.readyz", (path, text)
                assert "X-Injected" not in answer.headers, (path, text)
                assert "injected" not in str(answer.headers.getlist("Set-Cookie")), (path, text)
                assert not any(re.search(r"[\r\n\x85\u2028]", value) for value in answer.headers.values()), (path, text)
                if b"parley_session=;" in str(answer.headers).encode() or rule.endpoint == "accounts.sign_out":
                    window = sign_in(alice)
    assert len(payloads.header_lines()) >= 30
    FIGURES.append(f"Line breaks: {tried} requests, no header more")


# What was not asked for

EXTRAS = {
    "is_admin": "1",
    "admin": "1",
    "is_owner": "true",
    "role": "owner",
    "id": "1",
    "user_id": "1",
    "author_id": "1",
    "user": "1",
    "created_at": "2000-01-01",
    "deactivated_at": "",
    "password_hash": "x",
    "invited_by_id": "1",
    "room_id": "1",
    "seq": "1",
    "v": "1",
    "epoch": "x",
    "access": "0",
    "email_confirmed": "1",
    "__proto__": "x",
    "constructor": "x",
    "kind": "private",
    "archived_at": "",
    "user.role": "owner",
    "user[role]": "owner",
    "_sa_instance_state": "x",
}
GUARDED = {  # columns that say who may do what, or whose something is
    "users": ("id", "role", "deactivated_at", "email", "created_at"),
    "memberships": ("user_id", "room_id", "role"),
    "messages": ("id", "author_id", "room_id", "created_at"),
    "rooms": ("id", "kind", "created_by_id"),
    "site": ("id", "epoch"),
}


def guarded():
    db.session.rollback()
    found = {}
    for table in db.metadata.sorted_tables:
        if wanted := [table.c[name] for name in GUARDED.get(table.name, ()) if name in table.c]:
            keys = [c for c in table.primary_key.columns if c not in wanted]
            found[table.name] = {tuple(row) for row in db.session.execute(select(*keys, *wanted))}
    db.session.rollback()
    return found


def test_nobody_gives_themselves_what_was_not_asked_for(app, sign_in, alice, bob, general):
    """bob, a member of #general, sends every form and request with fields that are none of his."""
    say(alice, general, "Hi")
    assert set(GUARDED) <= {table.name for table in db.metadata.sorted_tables}
    bob_id, tried = bob.id, 0
    for method in UNSAFE:
        for _endpoint, path in addresses(app, method):
            window = sign_in(anew(bob_id))
            before = guarded()
            answer = attack(window, method, path, data=filled() | EXTRAS)
            assert answer.status_code < 500, path
            after = guarded()
            tried += 1
            assert others(before, bob_id) <= others(after, bob_id), path
            assert roles(after, bob_id) == {"member"}, path
            assert not [
                row for row in after["users"] - before["users"] if {"owner", "admin", "moderator"} & set(row)
            ], path
            for row in after["messages"] - before["messages"]:
                assert bob_id in row, (path, row)
            assert before["site"] == after["site"], path
            changed = after["memberships"] ^ before["memberships"]
            assert not [row for row in changed if bob_id not in row], (path, changed)
            assert not [row for row in after["memberships"] - before["memberships"] if is_raised(row, before)], path
    FIGURES.append(f"Fields nobody asked for: {len(EXTRAS)} at each of {tried} addresses, none taken")


def others(state, user_id):
    return {row for row in state["users"] if row[0] != user_id}


def roles(state, user_id):
    return {row[1] for row in state["users"] if row[0] == user_id}


def is_raised(row, before):
    """Whether this membership is more than the one before it in the same room; in a new room one is the owner."""
    rank = {None: 0, "member": 1, "moderator": 2, "owner": 3}
    earlier = [old for old in before["memberships"] if old[:2] == row[:2]]
    return bool(earlier) and rank.get(row[-1], 9) > max(1, *(rank.get(old[-1], 0) for old in earlier))


def test_unknown_fields_of_events_are_named_and_refused(sign_in, bob):
    from chat.realtime import wire

    window = sign_in(bob)
    for known in wire.CLIENT.values():
        for event, declared in known.items():
            for extra in ("is_admin", "role", "id", "user_id", "author_id"):
                sent = {**declared.example, extra: 1}
                answer = window.post(f"/api/v1/do/{event}", data=json.dumps(sent), content_type="application/json")
                assert (answer.status_code, answer.json["field"]) == (422, extra), event
