from io import BytesIO

import pytest
from PIL import Image

from chat.accounts.actions import remove_avatar, set_avatar, update_profile
from chat.accounts.avatars import KIND
from chat.core import storage
from chat.core.errors import Conflict, Invalid
from chat.streams.log import SITE, head_and_floor, since


def picture(colour="red"):
    out = BytesIO()
    Image.new("RGB", (40, 30), colour).save(out, "PNG")
    return out.getvalue()


def profile(user, **changed):
    return {"name": user.name, "username": user.username, "bio": user.bio, "time_zone": user.time_zone} | changed


def test_name_and_user_name_change_for_everyone(alice):
    update_profile(alice, **profile(alice, name=" Alice  Liddell ", username="Liddell"))

    assert (alice.name, alice.username) == ("Alice Liddell", "liddell")
    newest = since(SITE, 0)[-1]
    assert (newest.kind, newest.subject_id, newest.seq) == ("person", alice.id, alice.v)


def test_what_only_the_profile_shows_takes_no_number(alice):
    head = head_and_floor(SITE)
    update_profile(alice, **profile(alice, bio="Down the hole", time_zone="Europe/London"))

    assert (alice.bio, alice.time_zone) == ("Down the hole", "Europe/London")
    assert head_and_floor(SITE) == head


def test_what_one_does_and_ones_pronouns_show_on_ones_page_and_may_be_left_out(sign_in, alice, bob):
    update_profile(alice, **profile(alice, title=" Ship's  carpenter\n", pronouns="she/\u202eher"))
    page = sign_in(bob).get("/people/alice").text
    assert "Ship&#39;s carpenter" in page
    assert "<bdi>she/her</bdi>" in page
    assert "where they are" in page  # the local time

    update_profile(alice, **profile(alice))
    assert alice.title == "Ship's carpenter"  # who does not know of it leaves it as it is
    update_profile(alice, **profile(alice, title="", pronouns=" "))
    assert (alice.title, alice.pronouns) == ("", "")


@pytest.mark.parametrize(
    ("changed", "error", "field"),
    [
        ({"name": ""}, Invalid, "name"),
        ({"username": "here"}, Invalid, "username"),
        ({"username": "bob"}, Conflict, "username"),
        ({"time_zone": "Mars/Olympus"}, Invalid, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, Invalid, "time_zone"),
        ({"bio": "x" * 501}, Invalid, "bio"),
        ({"title": "x" * 61}, Invalid, "title"),
        ({"pronouns": "x" * 61}, Invalid, "pronouns"),
    ],
)
def test_what_cannot_be_used_is_refused_by_field_and_changes_nothing(alice, bob, changed, error, field):
    before = profile(alice)
    changed = {"username": bob.username} if error is Conflict else changed
    with pytest.raises(error) as refused:
        update_profile(alice, **profile(alice, **{"name": "Somebody", **changed}))

    assert refused.value.field == field
    assert profile(alice) == before


def test_a_picture_is_stored_and_everyone_is_told(alice):
    set_avatar(alice, picture())

    assert storage.path_of(KIND, alice.avatar).read_bytes()[:4] == b"RIFF"
    assert alice.avatar_path == f"/avatars/{alice.avatar}"
    newest = since(SITE, 0)[-1]
    assert (newest.kind, newest.subject_id, newest.seq) == ("person", alice.id, alice.v)


def test_another_picture_has_another_name_and_replaces_the_first(alice):
    set_avatar(alice, picture())
    first = alice.avatar
    set_avatar(alice, picture("blue"))

    assert alice.avatar != first
    assert storage.path_of(KIND, first) is None
    assert storage.path_of(KIND, alice.avatar) is not None


def test_a_removed_picture_is_gone(alice):
    set_avatar(alice, picture())
    name = alice.avatar
    remove_avatar(alice)

    assert alice.avatar_path is None
    assert storage.path_of(KIND, name) is None


def test_removing_none_takes_no_number(alice):
    head = head_and_floor(SITE)
    remove_avatar(alice)

    assert head_and_floor(SITE) == head


def test_a_refused_picture_leaves_the_old_one(alice):
    set_avatar(alice, picture())
    before = alice.avatar
    with pytest.raises(Invalid) as refused:
        set_avatar(alice, b"<svg onload=alert(1)>")

    assert refused.value.field == "picture"
    assert alice.avatar == before
    assert storage.path_of(KIND, before) is not None


def test_a_change_that_fails_leaves_no_picture_behind(alice, monkeypatch):
    def broken(name):
        raise RuntimeError

    monkeypatch.setattr("chat.accounts.actions.profile.next_seq", broken)

    with pytest.raises(RuntimeError):
        set_avatar(alice, picture())
    assert list(storage.folder(KIND).iterdir()) == []
    assert alice.avatar is None
