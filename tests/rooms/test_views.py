import re
from html import unescape

import pytest

from chat.admin.actions import set_legal_hold, set_room_retention
from chat.rooms.actions import archive_room, create_room, join_room, leave_room, set_role
from chat.rooms.queries import membership_of, position_of, public_room_named
from chat.streams.log import heads
from tests.factories import crowd, say


@pytest.fixture
def window(sign_in, alice):
    """A browser in which alice, who owns #general, is signed in."""
    return sign_in(alice)


def flashed(browser):
    """What the next page says about the last form."""
    return browser.get("/").text


def next_page(page):
    found = re.search(r'class="button" href="([^"]+)">Next page', page)
    return found and unescape(found[1])


def shown_people(page):
    return re.findall(r"item__about truncate\">@([\w.]+)", page)


# Finding and opening rooms


def test_the_directory_says_how_many_and_whether_one_is_in(window, bob):
    create_room(bob, "attic", topic="Old things")

    page = window.get("/rooms").text
    assert "Old things" in page
    assert "1 person" in page
    assert 'aria-label="Join attic"' in page
    assert 'aria-label="Join general"' not in page


def test_the_directory_is_searched(window, bob):
    create_room(bob, "attic")

    assert "No room called “nothing”" in window.get("/rooms?q=nothing").text
    found = window.get("/rooms?q=%23att").text
    assert re.findall(r'class="item__link" href="[^"]+"><bdi>([^<]+)', found) == ["attic"]


def test_a_room_is_opened_by_a_form(window):
    answer = window.post("/rooms/new", data={"name": "Sea Trials", "topic": "Wind", "kind": "public"})

    assert (answer.status_code, answer.location) == (303, public_room_named("sea-trials").path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "general", "kind": "public"}, "There is already a room called general."),
        ({"name": "", "kind": "public"}, "Give the room a name."),
        ({"name": "a/b", "kind": "public"}, "Use letters and digits"),
        ({"name": "x", "kind": "odd"}, "Not a valid choice"),
        ({"name": "x", "topic": "y" * 251, "kind": "public"}, "251 characters; 250 fit."),
    ],
)
def test_what_cannot_be_opened_stays_in_its_form(window, data, words):
    answer = window.post("/rooms/new", data=data)

    assert answer.status_code == 422
    assert words in answer.text


def test_a_link_may_suggest_a_name(window):
    assert 'value="sea-trials"' in window.get("/rooms/new?name=sea-trials").text


def test_more_rooms_than_a_page_holds_are_a_page_at_a_time(window, bob):
    for n in range(150):
        create_room(bob, f"berth {n:03}")

    first = window.get("/rooms").text
    second = window.get("/rooms" + next_page(first)).text
    found = window.get("/rooms?q=berth").text

    assert "151 rooms, 100 of them on this page" in first
    assert ">berth-099<" in first
    assert ">berth-100<" not in first
    assert ">berth-100<" in second
    assert ">general<" in second
    assert next_page(second) is None
    assert "150 rooms with “<bdi>berth</bdi>”, 100 of them on this page" in found
    assert "q=berth" in next_page(found)
    assert "rooms with" not in window.get("/rooms").text


# In and out


def test_joining_and_leaving_by_form(sign_in, carol, general):
    browser = sign_in(carol)

    assert browser.post(f"{general.path}/join").location == general.path
    assert membership_of(carol, general).role == "member"
    assert browser.post(f"{general.path}/leave").location == "/"
    assert membership_of(carol, general).role is None
    assert "You have left general." in flashed(browser)


def test_the_last_owner_is_told_what_to_do_first(window, secret):
    answer = window.post(f"{secret.path}/leave")

    assert answer.location == f"{secret.path}/members"
    assert "Make someone else an owner before you leave" in flashed(window)


def test_an_archived_room_cannot_be_joined(sign_in, alice, carol, general):
    archive_room(alice, general)

    answer = sign_in(carol).post(f"{general.path}/join")
    assert answer.status_code == 403
    assert "#general is archived." in answer.text


# People


def test_people_are_listed_and_added(window, carol, general):
    page = window.get(f"{general.path}/members").text
    assert shown_people(page) == ["ada", "alice", "bob", "robot"]

    answer = window.post(f"{general.path}/members", data={"person": "carol@example.org"})
    assert answer.location == f"{general.path}/members"
    assert membership_of(carol, general).role == "member"
    assert "Carol is in general now." in flashed(window)


def test_more_people_than_a_page_holds_are_a_page_at_a_time_with_a_search(window, general):
    assert "Find people in general" not in window.get(f"{general.path}/members").text
    crowd(100)

    first = window.get(f"{general.path}/members").text
    second = window.get(f"{general.path}/members{next_page(first)}").text

    assert ">104 people<" in first
    assert "100 of them on this page" in first
    assert len(shown_people(first)) == 100
    assert len(shown_people(second)) == 4
    assert len({*shown_people(first), *shown_people(second)}) == 104
    assert next_page(second) is None
    found = window.get(f"{general.path}/members?q=person+9").text
    assert "11 people with “<bdi>person 9</bdi>”" in found
    assert len(shown_people(found)) == 11
    assert "Nobody here is called “nemo”" in window.get(f"{general.path}/members?q=nemo").text


def test_who_removes_somebody_stays_on_the_page_of_the_list(window, bob, general):
    where = f"{general.path}/members?q=bo"

    answer = window.post(f"{general.path}/members/{bob.id}/remove", headers={"Referer": f"http://localhost{where}"})

    assert answer.location == where


@pytest.mark.parametrize(
    ("person", "words"), [("", "Type a name"), ("<b>nobody", "There is nobody called &lt;b&gt;nobody")]
)
def test_who_cannot_be_added_stays_in_the_form(window, general, person, words):
    answer = window.post(f"{general.path}/members", data={"person": person})

    assert answer.status_code == 422
    assert words in answer.text


def test_a_visitor_sees_who_is_in_an_open_room_and_changes_nothing(sign_in, bob, carol, general):
    browser = sign_in(carol)

    page = browser.get(f"{general.path}/members").text
    assert "@alice" in page
    assert "Make member" not in page
    assert browser.post(f"{general.path}/members", data={"person": "carol"}).status_code == 403
    assert browser.post(f"{general.path}/members/{bob.id}/remove").status_code == 403
    assert browser.post(f"{general.path}/members/{bob.id}/role", data={"role": "owner"}).status_code == 403
    assert membership_of(carol, general).role is None
    assert membership_of(bob, general).role == "member"


def test_owners_give_roles_and_remove_people(window, bob, general):
    window.post(f"{general.path}/members/{bob.id}/role", data={"role": "owner"})
    assert membership_of(bob, general).role == "owner"
    assert "Bob is an owner now." in flashed(window)

    window.post(f"{general.path}/members/{bob.id}/remove")
    assert membership_of(bob, general).role is None
    assert "Bob was removed." in flashed(window)


def test_the_only_owner_is_not_removed_by_form(window, alice, secret):
    window.post(f"{secret.path}/members/{alice.id}/role", data={"role": "member"})

    assert "Alice is the only owner." in flashed(window)
    assert membership_of(alice, secret).role == "owner"


@pytest.mark.parametrize(("path", "data"), [("remove", {}), ("role", {"role": "owner"})])
def test_somebody_who_is_not_there(window, carol, general, path, data):
    for user_id in (carol.id, 999, 2**40):
        assert window.post(f"{general.path}/members/{user_id}/{path}", data=data).status_code == 404


def test_a_role_that_is_none(window, bob, general):
    assert window.post(f"{general.path}/members/{bob.id}/role", data={"role": "king"}).status_code == 422


# Settings


def test_settings_are_changed_by_form(window, general):
    answer = window.post(f"{general.path}/settings", data={"name": "Lobby", "topic": "Hi", "description": "A\r\nB"})

    assert answer.location == f"{general.path}/settings"
    assert (general.name, general.topic, general.description) == ("lobby", "Hi", "A\nB")


def test_settings_that_cannot_be_stay_in_the_form(window, bob, general):
    create_room(bob, "attic")

    for data, words in (
        ({"name": "attic"}, "already a room called attic"),
        ({"name": "x" * 61}, "61 characters; 60 fit."),
    ):
        answer = window.post(f"{general.path}/settings", data={"topic": "", "description": ""} | data)
        assert answer.status_code == 422
        assert words in answer.text


def test_others_read_the_settings(sign_in, bob, carol, general):
    for person in (bob, carol):
        browser = sign_in(person)
        page = browser.get(f"{general.path}/settings").text
        assert "Who can find it" in page
        assert "Save" not in page
        answer = browser.post(f"{general.path}/settings", data={"name": "mine", "topic": "", "description": ""})
        assert answer.status_code == 403
        assert "Only an owner of #general can change it." in answer.text
    assert general.name == "general"


def test_everybody_reads_in_the_settings_what_is_kept_and_for_how_long(sign_in, ada, alice, bob, general):
    def kept(browser):
        page = browser.get(f"{general.path}/settings").text
        section = re.search(r'id="r-kept">.*?</section>', page, re.DOTALL)[0]
        return unescape(re.sub(r"<[^>]+>", " ", section)), "/retention" in section

    words, can_change = kept(sign_in(bob))
    assert "Messages are kept for ever" in words
    assert "“Noa joined” go after 90 days" in words
    assert not can_change
    set_room_retention(alice, general, 30)
    words, can_change = kept(sign_in(alice))
    assert "Messages are kept 30 days" in words
    assert can_change
    set_legal_hold(ada, general, True)
    assert "on legal hold" in kept(sign_in(bob))[0]
    assert "90 days" not in kept(sign_in(bob))[0]


def test_the_last_one_of_a_private_room_is_told_what_leaving_means(sign_in, alice, bob, secret, general):
    words = "nobody will see it any more"
    assert words not in sign_in(bob).get(f"{secret.path}/settings").text

    leave_room(bob, secret)

    assert words in sign_in(alice).get(f"{secret.path}/settings").text
    assert words not in sign_in(alice).get(f"{general.path}/settings").text


def test_a_room_is_archived_and_opened_again(window, general):
    window.post(f"{general.path}/archive")
    assert general.archived_at
    window.post(f"{general.path}/restore")
    assert general.archived_at is None


# Reading


def test_reading_by_form_up_to_a_number_or_to_the_head(window, alice, bob, general):
    first, last = say(bob, general, "1"), say(bob, general, "2")

    window.post(f"{general.path}/read", data={"seq": first.seq})
    assert position_of(alice.id, general.id).seq == first.seq
    window.post(f"{general.path}/read")
    assert position_of(alice.id, general.id).seq == last.seq


def test_marking_unread_leads_to_the_front_page(window, alice, bob, general):
    message = say(bob, general, "1")
    window.post(f"{general.path}/read")

    answer = window.post(f"{general.path}/unread", data={"seq": message.seq})
    assert answer.location == "/"
    assert position_of(alice.id, general.id).seq == message.seq - 1
    assert "Marked unread in general." in flashed(window)


@pytest.mark.parametrize("seq", ["", "abc", None])
def test_marking_unread_needs_a_message(window, alice, bob, general, seq):
    say(bob, general, "1")
    window.post(f"{general.path}/read")
    before = position_of(alice.id, general.id).seq

    answer = window.post(f"{general.path}/unread", data={"seq": seq} if seq is not None else {})
    assert answer.status_code == 422
    assert position_of(alice.id, general.id).seq == before


@pytest.mark.parametrize("seq", ["abc", "-5", "9" * 30, "0"])
def test_a_number_that_cannot_be_reads_nothing_it_should_not(window, alice, bob, general, seq):
    say(bob, general, "1")
    before, head = position_of(alice.id, general.id).seq, heads([general.stream])[general.stream]

    assert window.post(f"{general.path}/read", data={"seq": seq}).status_code in (303, 422)
    assert position_of(alice.id, general.id).seq == (head if seq.startswith("9") else before)


def test_marking_all_read_returns_to_the_page_it_was_on(window, bob, general):
    say(bob, general, "1")

    answer = window.post("/read-all", headers={"Referer": "http://localhost/rooms?q=a"})
    assert answer.location == "/rooms?q=a"
    assert "Everything is marked read." in flashed(window)
    window.post("/read-all")
    assert "There was nothing new." in flashed(window)


@pytest.mark.parametrize(
    "referrer", ["https://evil.example/", "http://localhost//evil.example/", "http://localhost/\\evil.example", "x"]
)
def test_nobody_is_led_elsewhere(window, general, referrer):
    answer = window.post("/read-all", headers={"Referer": referrer})

    assert re.fullmatch(r"/([^/\\].*)?", answer.location)


def test_the_front_page_says_what_waits(window, alice, bob, general):
    assert "You have read everything." in window.get("/").text
    say(bob, general, "@alice")
    say(bob, general, "more")
    assert "1 message speaks to you, and 2 are new in all." in window.get("/").text


def test_someone_in_no_room_is_shown_the_way(sign_in, carol):
    assert "You are in no room yet." in sign_in(carol).get("/").text


def test_who_may_manage_a_room_is_offered_it(sign_in, alice, carol, general):
    join_room(carol, general)
    assert "Archive" not in sign_in(carol).get(f"{general.path}/settings").text
    set_role(alice, general, carol, "owner")
    assert f'action="{general.path}/archive"' in sign_in(carol).get(f"{general.path}/settings").text
