"""Every address, under every method, signed in and not, for people and for programs, over http and https: exactly
these security headers and no others. Addresses that are added later are covered by themselves."""

from collections import Counter

import pytest
from flask import g

from chat.core.assets import assets, import_map_hash
from chat.core.errors import Busy
from chat.server.roles import OnlyRoles
from tests.accounts.test_views import picture, upload
from tests.conftest import FIGURES
from tests.contracts.test_security import addresses
from tests.factories import say
from tests.length import part

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PERMISSIONS = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()"
BASE_URLS = {"http": "http://localhost:5000", "https": "https://localhost:5000"}
# What is compared: of these an answer has those that are expected, and none besides.
SECURITY = {
    "Content-Security-Policy", "Content-Security-Policy-Report-Only", "X-Content-Type-Options", "X-Frame-Options",
    "Referrer-Policy", "Permissions-Policy", "Cross-Origin-Resource-Policy", "Cross-Origin-Opener-Policy",
    "Cross-Origin-Embedder-Policy", "Strict-Transport-Security", "Access-Control-Allow-Origin",
    "Access-Control-Allow-Credentials", "X-XSS-Protection", "X-Powered-By",
}  # fmt: skip
# Answers that keep something else than "no-store", where they succeed.
ASKED_EACH_TIME = "private, no-cache"
FOR_EVER = "public, max-age=31536000, immutable"


def policy(scheme):
    sockets = {"http": "ws://127.0.0.1:5000 ws://localhost:5000", "https": "wss://localhost:5000"}[scheme]
    return (
        f"default-src 'none'; script-src 'self' '{import_map_hash()}'; style-src 'self'; img-src 'self' blob:; "
        f"font-src 'self'; connect-src 'self' {sockets}; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; object-src 'none'"
    )


def expected(scheme, policy_of_its_own=None):
    """The security headers of whatever is not a file of static/."""
    headers = {
        "Content-Security-Policy": policy_of_its_own or policy(scheme),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": PERMISSIONS,
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if scheme == "https":
        headers |= {
            "Cross-Origin-Opener-Policy": "same-origin",
            "Strict-Transport-Security": "max-age=31536000",
        }
    return headers


def of_files(scheme):
    headers = {
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return headers | ({"Strict-Transport-Security": "max-age=31536000"} if scheme == "https" else {})


def security(answer):
    """The security headers of an answer; one that is there twice shows as a list."""
    found = {name: answer.headers.getlist(name) for name in SECURITY if name in answer.headers}
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def kept_by(answer):
    return answer.headers.getlist("Cache-Control")


@pytest.fixture
def scheme(request, app):
    object.__setattr__(app.config["PARLEY"], "base_url", BASE_URLS[request.param])
    return request.param


both = pytest.mark.parametrize("scheme", ["http", "https"], indirect=True)


@both
@pytest.mark.parametrize("who", ["bob", "ada", "nobody"])
def test_every_address_has_exactly_its_security_headers(app, sign_in, ada, alice, bob, general, scheme, who):
    say(alice, general, "Hi")
    app.config["WTF_CSRF_ENABLED"] = False
    person = {"bob": bob, "ada": ada, "nobody": None}[who]
    seen, statuses = set(), Counter()
    rules = {(endpoint, path) for method in METHODS for endpoint, path in addresses(app, method)}
    way = (scheme == "https") + (who == "ada")  # in short each asks for one kind of answer, others for the other
    for accept in part(("text/html", "application/json"), way % 2, of=2):
        window = sign_in(person) if person else app.test_client()
        for endpoint, path in sorted(rules):
            for method in ("GET", "HEAD", "OPTIONS"):
                check(window, endpoint, path, method, accept, scheme, seen, statuses)
        for endpoint, path in sorted(rules):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                # Without any field: most are refused, some do their work, and some of those end the session.
                check(window, endpoint, path, method, accept, scheme, seen, statuses)

    assert {endpoint for endpoint, _, _ in seen} == {rule.endpoint for rule in app.url_map.iter_rules()}
    assert {200, 404, 405} <= set(statuses)
    FIGURES.append(
        f"security headers ({who}, {scheme}): {len({s[:2] for s in seen})} addresses, {statuses.total()} answers, "
        + ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    )


def check(window, endpoint, path, method, accept, scheme, seen, statuses):
    g.pop("csrf_token", None), g.pop("csrf_valid", None)
    answer = window.open(path, method=method, headers={"Accept": accept})
    what = (method, path, accept, answer.status_code)
    ok = answer.status_code < 400
    assert answer.status_code < 500 or endpoint == "ops.readyz", what
    if endpoint.startswith("static") and ok and method != "OPTIONS":
        assert security(answer) == of_files(scheme), what
        assert kept_by(answer) == [FOR_EVER], what
    else:
        assert security(answer) == expected(scheme), what
        [kept] = kept_by(answer)
        assert kept == "no-store" or (ok and kept == ASKED_EACH_TIME), what
    answer.close()
    seen.add((endpoint, path, method))
    statuses[answer.status_code] += 1


@pytest.fixture
def browser(scheme, sign_in, bob):
    return sign_in(bob)


@both
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    ("status", "method", "path", "options"),
    [
        (404, "GET", "/nowhere", {}),
        (404, "GET", "/api/v1/nowhere", {}),
        (404, "GET", "/static/nowhere.js", {}),
        (404, "GET", "/avatars/nobody.webp", {}),
        (404, "GET", "/rooms/99", {}),
        (405, "DELETE", "/login", {}),
        (405, "PUT", "/api/v1/rooms", {}),
        (405, "POST", "/static/nowhere.js", {}),
        (403, "POST", "/logout", {"headers": {"Sec-Fetch-Site": "cross-site"}}),
        (413, "POST", "/rooms/1/messages", {"data": {"text": "x" * 6_000_000}}),
        (404, "GET", "/rooms/1/", {}),
    ],
)
def test_refusals_have_them_too(browser, general, scheme, accept, status, method, path, options):
    headers = {"Accept": accept, **options.get("headers", {})}
    answer = browser.open(path, method=method, **{**options, "headers": headers})

    assert answer.status_code == status
    assert security(answer) == expected(scheme)
    assert kept_by(answer) == ["no-store"]


@both
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_whoever_is_too_fast_gets_them_too(app, client, limits_on, scheme, accept):
    for _ in range(8):
        answer = client.post(
            "/login", data={"login": "bob", "password": "a wrong password"}, headers={"Accept": accept}
        )

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert security(answer) == expected(scheme)
    assert kept_by(answer) == ["no-store"]


@both
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(("fault", "status"), [(ZeroDivisionError(), 500), (Busy(), 503)])
def test_what_breaks_breaks_with_them(app, client, scheme, accept, fault, status):
    app.testing, app.config["PROPAGATE_EXCEPTIONS"] = False, False

    def broken(**values):
        raise fault

    app.view_functions["ops.healthz"] = broken
    answer = client.get("/healthz", headers={"Accept": accept})

    assert answer.status_code == status
    assert security(answer) == expected(scheme)
    assert kept_by(answer) == ["no-store"]


@both
def test_a_form_without_its_token_is_refused_with_them(sign_in, bob, scheme):
    answer = sign_in(bob, csrf=True).post("/logout")

    assert answer.status_code == 400
    assert security(answer) == expected(scheme)


@both
def test_a_page_that_did_not_change_is_still_policed(browser, general, scheme):
    browser.get(general.path)  # the first visit makes the token of the forms
    first = browser.get(general.path)
    again = browser.get(general.path, headers={"If-None-Match": first.headers["ETag"]})

    assert again.status_code == 304
    for answer in (first, again):
        assert security(answer) == expected(scheme)
        assert kept_by(answer) == [ASKED_EACH_TIME]


@both
def test_pictures_of_people_are_put_in_a_sandbox(browser, client, bob, scheme):
    upload(browser, picture())
    answer = client.get(bob.avatar_path)

    assert answer.status_code == 200
    assert security(answer) == expected(scheme, "default-src 'none'; frame-ancestors 'none'; sandbox")
    assert kept_by(answer) == ["private, max-age=31536000, immutable"]


@both
def test_every_file_of_ours_has_its_short_policy(client, scheme):
    paths = list(assets().by_url)
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200
        assert security(answer) == of_files(scheme), path
        assert kept_by(answer) == [FOR_EVER], path
    assert len(paths) > 10  # modules are joined


@both
def test_what_is_downloaded_is_not_kept(sign_in, ada, scheme):
    answer = sign_in(ada).post("/admin/audit/export", data={"format": "csv"})

    assert answer.status_code == 200
    assert security(answer) == expected(scheme)
    assert kept_by(answer) == ["no-store"]


def test_where_another_role_answers_nothing_is_kept(app):
    app.wsgi_app = OnlyRoles(app.wsgi_app, ("jobs",))
    answer = app.test_client().get("/login")

    assert answer.status_code == 404
    assert security(answer) == {"X-Content-Type-Options": "nosniff"}
    assert kept_by(answer) == ["no-store"]
