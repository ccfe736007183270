"""Letters about what happens to somebody's account."""

import pytest

from chat.accounts.actions import begin_session, end_session, update_profile
from chat.accounts.queries import live_session
from chat.core.jobs import run_due
from tests.mailbox import html_of, text_of

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NEWER = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"


@pytest.fixture
def comes(alice, mailbox):
    """comes(user agent, address) → how many letters alice got for it."""

    def comes(user_agent, address):
        before = len(mailbox.letters)
        begin_session(alice, address=address, user_agent=user_agent)
        run_due()
        return len(mailbox.letters) - before

    return comes


def test_the_first_device_of_all_is_no_news(comes):
    assert comes(FIREFOX, "192.0.2.1") == 0


def test_a_device_that_was_seen_there_is_no_news_and_neither_is_its_next_version(comes):
    comes(FIREFOX, "192.0.2.1")

    assert comes(FIREFOX, "192.0.2.1") == 0
    assert comes(NEWER, "192.0.2.1") == 0


def test_another_device_or_another_network_is(comes, mailbox, alice):
    update_profile(alice, name="Alice", username="alice", bio="", time_zone="Asia/Tokyo")
    comes(FIREFOX, "192.0.2.1")

    assert comes(IPHONE, "192.0.2.1") == 1
    assert comes(FIREFOX, "198.51.100.7") == 1
    letter = mailbox.letters[0]
    assert (letter["To"], letter["Subject"]) == (alice.email, "You signed in to Tidewater with Safari on iPhone")
    for body in (text_of(letter), html_of(letter)):
        assert "Safari on iPhone" in body
        assert "192.0.2.1" in body
        assert "Asia/Tokyo" in body
        assert "http://localhost:5000/settings/security" in body


def test_another_address_of_the_same_ipv6_network_is_no_news(comes):
    comes(FIREFOX, "2001:db8:1:2::3")

    assert comes(FIREFOX, "2001:db8:1:2:ffff::9") == 0
    assert comes(FIREFOX, "2001:db8:1:3::3") == 1


def test_a_device_that_was_signed_out_is_known_still(comes, alice):
    token = begin_session(alice, address="192.0.2.1", user_agent=FIREFOX)
    end_session(alice, live_session(token))

    assert comes(FIREFOX, "192.0.2.1") == 0


def test_devices_of_others_say_nothing_about_ones_own(comes, bob):
    begin_session(bob, address="198.51.100.7", user_agent=IPHONE)
    comes(FIREFOX, "192.0.2.1")

    assert comes(IPHONE, "198.51.100.7") == 1


def test_what_a_browser_calls_itself_comes_into_no_letter(comes, mailbox):
    comes(FIREFOX, "192.0.2.1")
    comes("<b>evil</b>\r\nBcc: mallory@example.net Chrome", "192.0.2.1")

    assert "evil" not in mailbox.letters[0].as_string()
    assert "Bcc" not in mailbox.letters[0]
