import pytest

from chat.accounts.return_path import return_path

PLACES = ["/", "/people", "/people?q=ada", "/people/ada", "/settings/security", "/invites", "/people?q=a&next=//x#top"]

ATTACKS = [
    # another host
    "//evil.example", "///evil.example", "////evil.example", "http://evil.example", "https://evil.example/people",
    "HTTPS://evil.example", "http:evil.example", "https:/people", "http:///evil.example", "//evil.example/people",
    "//localhost@evil.example/people", "//evil.example:80/people", "//[::1]/people", "evil.example", "evil.example/x",
    # slashes that browsers turn round
    "\\\\evil.example", "/\\evil.example", "\\/evil.example", "/\\/evil.example", "//\\evil.example", "/people\\..\\x",
    # characters that browsers drop
    "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", " //evil.example", "/ /x",
    "\x00//evil.example", "/\x00/evil.example", "/people\r\nSet-Cookie: a=b", "/people\nLocation: //evil.example",
    "\u2028//evil.example", "\u00a0//evil.example", "/\u2215evil.example", "／／evil.example", "/people\u202e",
    # other schemes
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x",
    "file:///etc/passwd", "ftp://evil.example", "mailto:x@evil.example", "about:blank", "javascript://x/%0aalert(1)",
    # written in another way
    "%2f%2fevil.example", "/%2f/evil.example", "/%5cevil.example", "/%09/evil.example", "/..//evil.example",
    "/.//evil.example", "/people//evil.example", "/;@evil.example", "/@evil.example", "?next=//evil.example", "#//x",
    # not pages, or not ours, or a circle
    "/login", "/login?next=/login", "/logout", "/signup", "/setup", "/avatars/x.webp", "/nowhere", "/rooms/1/messages",
    "/settings/avatar", "/healthz", "/people/", "", None, "/" + "a" * 3000, "/people?q=" + "a" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("wanted", PLACES)
def test_pages_of_ours_are_returned_to(app, wanted):
    with app.test_request_context():
        assert return_path(wanted) == wanted


@pytest.mark.parametrize("wanted", ATTACKS)
def test_nothing_else_is(app, wanted):
    with app.test_request_context():
        assert return_path(wanted, "/home") == "/home"


def test_the_table_of_attacks_is_long_enough():
    assert len(set(ATTACKS)) >= 60
