"""A person's own data as a file."""

import json
import zipfile
from datetime import timedelta
from io import BytesIO

import pytest
from PIL import Image

from chat.accounts.actions import begin_session, create_invite, erase, set_avatar, set_block, update_profile
from chat.accounts.models import Identity, Passkey
from chat.admin.models import AuditEntry, Export
from chat.admin.moderation.actions import report_message
from chat.core import jobs, storage
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Forbidden
from chat.core.jobs import run_due
from chat.core.transaction import transaction
from chat.messages.actions import delete_message, edit_message
from chat.rooms.actions import change_room, leave_room
from chat.transfer import exports
from chat.transfer.exports import progress_of, request_export
from tests.factories import say

OWN = ("blocks", "invites", "memberships", "messages", "profile", "reports", "sessions", "sign-in")


def collected(actor, user=None):
    """{name: what it says} of the file that `actor` gets."""
    with archive_of(actor, user) as archive:
        assert archive.testzip() is None
        return {name: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")}


def collected_picture(actor, user=None):
    with archive_of(actor, user) as archive:
        return archive.read("avatar.webp")


def archive_of(actor, user=None):
    export = request_export(actor, user or actor)
    run_due()
    db.session.refresh(export)
    return zipfile.ZipFile(storage.path_of(exports.FOLDER, export.blob))


def drawn():
    picture = BytesIO()
    Image.new("RGB", (8, 8), "teal").save(picture, "PNG")
    return picture.getvalue()


@pytest.fixture
def window(sign_in, alice):
    return sign_in(alice)


def test_it_holds_what_somebody_is_and_wrote_and_nothing_of_others(alice, bob, general, secret):
    update_profile(alice, name="Alice", username="alice", bio="I “like” ships", time_zone="Europe/Riga", title="Mate")
    begin_session(alice, address="192.0.2.7", user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
    for text, room in (("one", general), ('zwei ä 🚢\n"x"', secret), ("three", general)):
        say(alice, room, text)
    say(bob, general, "not mine")
    delete_message(alice, say(alice, general, "gone"))
    found = collected(alice)

    assert sorted(found) == [f"{name}.json" for name in OWN]
    assert [m["text"] for m in found["messages.json"]] == ["one", 'zwei ä 🚢\n"x"', "three"]
    assert [m["room"] for m in found["messages.json"]] == ["general", "secret", "general"]
    profile = found["profile.json"]
    assert (profile["email"], profile["bio"], profile["title"]) == ("alice@example.org", "I “like” ships", "Mate")
    assert ("192.0.2.7", "Firefox on Linux") in [(s["address"], s["device"]) for s in found["sessions.json"]]
    assert {(m["room"], m["role"]) for m in found["memberships.json"]} == {("general", "owner"), ("secret", "owner")}
    assert "password" not in json.dumps(found)


def test_what_somebody_set_up_and_did_beside_writing_is_in_it_too(alice, bob, general):
    moment = now()
    mine = {"user_id": alice.id, "created_at": moment}
    there = {"provider": "oidc", "issuer": "https://id.example", "subject": "a1", "email": "alice@id.example"}
    with transaction():
        db.session.add_all([
            Passkey(**mine, credential_id="SECRET", public_key="SECRET", name="My phone"),
            Identity(**mine, **there, used_at=moment),
        ])  # fmt: skip
    set_avatar(alice, drawn())
    set_block(alice, bob, "mute")
    invite = create_invite(alice, expires_days=7, max_uses=3)
    report_message(alice, say(bob, general, "You are all fools"), "Insults")
    message = say(alice, general, "Fisrt")
    for text in ("First", "First of all"):
        edit_message(alice, message, text)

    found, picture = collected(alice), collected_picture(alice)

    assert [(p["name"], p["last_used_at"]) for p in found["sign-in.json"]["passkeys"]] == [("My phone", None)]
    assert found["sign-in.json"]["providers"][0].items() >= there.items()
    assert found["blocks.json"] == [{"user_id": bob.id, "username": "bob", "kind": "mute"}]
    assert [(i["id"], i["max_uses"], i["uses"]) for i in found["invites.json"]] == [(invite.id, 3, 0)]
    assert [(r["reason"], r["decision"]) for r in found["reports.json"]] == [("Insults", None)]
    [said] = found["messages.json"]
    assert (said["text"], [edit["text"] for edit in said["earlier"]]) == ("First of all", ["Fisrt", "First"])
    assert picture == storage.path_of("avatars", alice.avatar).read_bytes()
    for secret in ("SECRET", invite.code, "You are all fools"):
        assert secret not in json.dumps(found)


def test_whoever_erases_them_gets_the_picture_and_nothing_that_is_private(ada, alice, bob, general):
    set_avatar(alice, drawn())
    set_block(alice, bob, "mute")
    create_invite(alice)
    edit_message(alice, say(alice, general, "Fisrt"), "First")

    found = collected(ada, alice)

    assert sorted(found) == ["memberships.json", "messages.json", "profile.json"]
    assert "earlier" not in found["messages.json"][0]
    assert collected_picture(ada, alice)


def test_rooms_that_one_left_are_in_it(bob, general):
    say(bob, general, "before I left")
    leave_room(bob, general)
    found = collected(bob)

    assert [m["text"] for m in found["messages.json"]] == ["before I left"]
    assert [(m["room"], m["role"]) for m in found["memberships.json"]] == [("general", None)]


def test_the_name_that_a_private_room_has_by_now_is_not_for_who_left_it(alice, bob, secret):
    say(bob, secret, "before I left")
    leave_room(bob, secret)
    change_room(alice, secret, name="another-name", topic="", description="")
    found = collected(bob)

    assert [(m["room_id"], m["room"], m["text"]) for m in found["messages.json"]] == [
        (secret.id, None, "before I left")
    ]
    assert (secret.id, None) in [(m["room_id"], m["room"]) for m in found["memberships.json"]]
    assert "another-name" not in json.dumps(found)


def test_it_is_whole_however_many_there_are(alice, general, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 7)
    for n in range(30):
        say(alice, general, f"number {n}")

    assert [m["text"] for m in collected(alice)["messages.json"]] == [f"number {n}" for n in range(30)]


def test_somebody_who_wrote_nothing_gets_an_empty_list(carol):
    assert collected(carol)["messages.json"] == []


def test_the_page_shows_how_far_it_is(window, alice, general, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 2)
    for n in range(4):
        say(alice, general, f"number {n}")
    assert "Collect my data" in window.get("/settings/data").text
    window.post("/settings/data/export")
    assert "Collecting begins in a moment" in window.get("/settings/data").text

    seen, note = [], jobs.note

    def noted(key, **progress):
        note(key, **progress)
        seen.append(progress_of(db.session.query(Export).one()))

    monkeypatch.setattr(jobs, "note", noted)
    run_due()
    assert seen == [(2, 4), (4, 4), (4, 4)]


def test_whoever_asked_fetches_it_and_nobody_else(window, sign_in, alice, bob, ada):
    window.post("/settings/data/export")
    run_due()
    path = f"/settings/data/exports/{db.session.query(Export).one().id}"
    assert path in window.get("/settings/data").text

    answer = window.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=parley-data-")
    assert answer.headers["Cache-Control"] == "no-store"
    assert zipfile.ZipFile(BytesIO(answer.data)).testzip() is None
    for other in (bob, ada):
        assert sign_in(other).get(path).status_code == 404


@pytest.mark.parametrize("number", [0, 2, 2**31, 2**70])
def test_numbers_of_no_export_are_not_found(window, number):
    assert window.get(f"/settings/data/exports/{number}").status_code == 404


def test_after_seven_days_it_is_gone(window, alice):
    window.post("/settings/data/export")
    run_due()
    export = db.session.query(Export).one()
    path, blob = f"/settings/data/exports/{export.id}", export.blob
    assert export.expires_at - export.ready_at >= timedelta(days=7)
    assert exports.tidy() == 0
    export.expires_at = now() - timedelta(seconds=1)
    db.session.commit()

    assert window.get(path).status_code == 404
    assert exports.tidy() == 1
    assert storage.path_of(exports.FOLDER, blob) is None
    assert db.session.query(Export).count() == 0


def test_asking_twice_while_it_is_collected_is_asking_once_and_later_a_new_one_takes_its_place(alice):
    first = request_export(alice, alice)
    assert request_export(alice, alice).id == first.id
    run_due()
    second = request_export(alice, alice)

    assert second.id != first.id
    assert first.expires_at <= now()
    assert db.session.query(AuditEntry).filter_by(verb="export_requested").count() == 2


def test_a_collection_that_crashed_begins_again_and_leaves_no_half_file(app, alice, general, monkeypatch):
    say(alice, general, "one")
    export, written_by = request_export(alice, alice), exports.written_by

    def broken(*args, **options):
        raise OSError("no space left")

    monkeypatch.setattr(exports, "written_by", broken)
    run_due()
    assert list(storage.folder(exports.FOLDER).iterdir()) == []

    monkeypatch.setattr(exports, "written_by", written_by)
    exports.collect({"export": export.id})
    db.session.refresh(export)
    assert export.ready_at


def test_one_that_was_given_up_keeps_nobody_waiting(window, alice, monkeypatch):
    export = request_export(alice, alice)
    given_up(export, monkeypatch)
    assert "Collect my data" in window.get("/settings/data").text

    window.post("/settings/data/export")
    run_due()
    assert "Download" in window.get("/settings/data").text


def given_up(export, monkeypatch):
    def broken(*args, **options):
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(exports, "written_by", broken)
        patched.setattr(jobs, "MOST_ATTEMPTS", 1)
        run_due()
    db.session.refresh(export)
    assert not export.ready_at


# For somebody else


def test_an_owner_gets_what_they_may_see_of_whom_they_erase(ada, alice, general, secret):
    say(alice, general, "in the open"), say(alice, secret, "CANARY")
    found = collected(ada, alice)

    assert [m["text"] for m in found["messages.json"]] == ["in the open"]
    assert [m["room"] for m in found["memberships.json"]] == ["general"]
    assert "sessions.json" not in found
    assert "secret" not in json.dumps(found)
    assert "CANARY" not in json.dumps(found)


def test_nobody_else_gets_anything_of_anybody(sign_in, alice, bob):
    with pytest.raises(Forbidden):
        request_export(bob, alice)
    assert sign_in(bob).post("/people/alice/export").status_code == 403
    assert db.session.query(Export).count() == 0


def test_what_was_collected_before_erasing_stays_for_who_did_and_the_persons_own_goes(ada, alice):
    own, handed = request_export(alice, alice), request_export(ada, alice)
    run_due()
    erase(ada, alice, confirmation="alice", empty=False)
    exports.tidy()
    db.session.expire_all()

    assert [export.id for export in db.session.query(Export)] == [handed.id]
    assert own not in db.session.query(Export)


def test_nobody_is_erased_while_a_copy_is_collected(sign_in, ada, alice):
    handed, window = request_export(ada, alice), sign_in(ada)
    refused = window.post("/people/alice/erase", data={"confirmation": "alice", "messages": "keep"})
    assert refused.status_code == 409
    assert "A copy of their data is being collected" in refused.text
    assert (alice.username, alice.erased_at) == ("alice", None)

    run_due()
    window.post("/people/alice/erase", data={"confirmation": "alice", "messages": "keep"})
    db.session.refresh(handed)
    assert (bool(alice.erased_at), bool(handed.blob)) == (True, True)


def test_a_copy_that_was_given_up_and_the_persons_own_hold_up_no_erasing(ada, alice, monkeypatch):
    given_up(request_export(ada, alice), monkeypatch)
    request_export(alice, alice)

    erase(ada, alice, confirmation="alice", empty=False)
    assert alice.erased_at
