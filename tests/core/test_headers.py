import pytest

from chat import create_app
from tests.conftest import at_once, settings_for


@pytest.fixture
def headers_of(founded, tmp_path):
    """headers_of(**environ) → the headers of a page under these settings."""
    import shutil

    def headers_of(path="/login", **environ):
        folder = tmp_path / "data"
        shutil.copytree(founded, folder, dirs_exist_ok=True)
        app = create_app(settings_for(folder, **environ), spawn=at_once)
        return app.test_client().get(path).headers

    return headers_of


def test_behind_tls_browsers_are_told_to_stay_there(headers_of):
    headers = headers_of(BASE_URL="https://chat.example.org")

    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "connect-src 'self' wss://chat.example.org;" in headers["Content-Security-Policy"]
    cookie = headers["Set-Cookie"]
    assert cookie.startswith("__Host-parley=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


def test_files_are_promised_over_tls_too_and_are_no_document(headers_of):
    page = headers_of(BASE_URL="https://chat.example.org")
    assert page["Strict-Transport-Security"]
    headers = headers_of("/static/accent-205.css", BASE_URL="https://chat.example.org")

    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_the_names_below_are_promised_when_the_operator_says_so(headers_of):
    headers = headers_of(BASE_URL="https://chat.example.org", HSTS_SUBDOMAINS="on")

    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_the_cookie_of_the_theme_is_for_this_host_alone_too(app, client, alice):
    client.set_cookie("theme", "dark")
    client.set_cookie("__Host-theme", "light", secure=True)
    assert 'data-theme="dark"' in client.get("/login").text

    object.__setattr__(app.config["PARLEY"], "base_url", "https://chat.example.org")
    assert 'data-theme="light"' in client.get("/login", base_url="https://localhost").text


def test_without_tls_there_is_no_promise_of_it(headers_of):
    headers = headers_of()

    assert "Strict-Transport-Security" not in headers
    assert headers["Set-Cookie"].startswith("parley=")
    assert "Secure" not in headers["Set-Cookie"]


def test_further_origins_may_be_connected_to_from_and_nothing_else(headers_of):
    policy = headers_of(ALLOWED_ORIGINS="https://b.example, https://a.example")["Content-Security-Policy"]

    [sources] = [part for part in policy.split("; ") if part.startswith("connect-src")]
    assert "*" not in policy
    assert "a.example" in sources and "b.example" in sources


@pytest.mark.parametrize("path", ["/login", "/nowhere", "/healthz"])
def test_the_browser_is_asked_for_nothing_it_need_not_give(headers_of, path):
    headers = headers_of(path)

    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert "script-src 'self' 'sha256-" in headers["Content-Security-Policy"]
