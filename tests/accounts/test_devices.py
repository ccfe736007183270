import pytest

from chat.accounts.devices import is_phone, name_of_device

X = "Mozilla/5.0 "
KHTML = "AppleWebKit/537.36 (KHTML, like Gecko) "


@pytest.mark.parametrize(
    ("user_agent", "name", "phone"),
    [
        (X + "(X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux", False),
        (X + "(Windows NT 10.0; Win64; x64) " + KHTML + "Chrome/129.0 Safari/537.36", "Chrome on Windows", False),
        (X + "(Windows NT 10.0) " + KHTML + "Chrome/129.0 Safari/537.36 Edg/129.0", "Edge on Windows", False),
        (X + "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/17 Safari/605", "Safari on macOS", False),
        (X + "(iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit Mobile/15 Safari/604", "Safari on iPhone", True),
        (X + "(iPhone; CPU iPhone OS 17_5 like Mac OS X) CriOS/129 Mobile Safari", "Chrome on iPhone", True),
        (X + "(Linux; Android 14; Pixel 8) " + KHTML + "Chrome/129 Mobile Safari/537", "Chrome on Android", True),
        (X + "(Linux; Android 14) SamsungBrowser/25.0 Chrome/121 Mobile Safari/537", "Samsung on Android", True),
        (X + "(X11; CrOS x86_64) " + KHTML + "Chrome/129 Safari/537", "Chrome on ChromeOS", False),
        ("curl/8.5.0", "curl", False),
        ("python-requests/2.32", "A Python program", False),
        ("", "A browser", False),
        ("<script>alert(1)</script>", "A browser", False),
    ],
)
def test_a_browser_is_named_by_what_it_says(user_agent, name, phone):
    assert (name_of_device(user_agent), is_phone(user_agent)) == (name, phone)
