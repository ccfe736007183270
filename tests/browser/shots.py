"""Pictures of every screen of a seeded Parley, to be looked at: `python -m tests.browser.shots FOLDER [WORD …]`.

Three sizes, light and dark; with words, only the screens whose names contain one of them. Writes
FOLDER/screen-size-theme.png and FOLDER/index.html, which shows them side by side.
"""

import re
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pyotp
from flask_migrate import upgrade
from playwright.sync_api import expect, sync_playwright

from chat.accounts.actions import (
    begin_move,
    begin_session,
    create_user,
    make_reset_link,
    replace_password,
    set_block,
    set_up_totp,
)
from chat.accounts.actions.invites import create_invite, set_sign_up
from chat.accounts.models import Passkey
from chat.accounts.queries import live_session
from chat.accounts.totp import new_secret
from chat.admin.moderation.actions import remove_content, report_message, suspend_person
from chat.core.clock import now
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.models import Edit, Message
from chat.rooms.actions import add_member, create_room, mark_unread, slow_down
from chat.rooms.models import Membership, Room
from chat.rooms.queries import public_room_named
from chat.site.queries import the_site
from tests.browser.conftest import CHROMIUM, QUIET
from tests.browser.window import Window
from tests.factories import PASSWORD, crowd, person
from tests.system.server import ROOT, Server

SIZES = {"1440": (1440, 900), "1024": (1024, 768), "390": (390, 844)}
SECRET = "a key for tests, long enough for the check"
PROVIDERS = {
    "OIDC_ISSUER": "https://id.example.org", "OIDC_CLIENT_ID": "parley", "OIDC_CLIENT_SECRET": "-",
    "OIDC_NAME": "Tidewater ID", "GITHUB_CLIENT_ID": "parley", "GITHUB_CLIENT_SECRET": "-",
}  # fmt: skip
THOUGHT = "The gauge at the old pier read low again, and nobody could say whether it was the float or the tide. "
LONG = "\n\n".join(["Thoughts on the season, at some length.", *(f"{n}. {THOUGHT * 6}" for n in range(1, 19))])
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
RTL = "שלום לכולם! הגלאי ברציף **עובד** שוב, ראו `tide.py`\n\nمرحبا بالجميع، القراءة اليوم ١٢٫٤ متر"


def seeded(folder, settings):
    server = Server(folder, **settings)
    with server.app.app_context():
        upgrade(directory=str(ROOT / "migrations"))
    environ = {"DATA_DIR": str(folder), "SECRET_KEY": SECRET, "BCRYPT_COST": "4", "PATH": "/usr/bin:/bin"}
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "seed"], cwd=ROOT, env=environ, check=True, capture_output=True
    )
    return server.start()


class Studio:
    """One browser on one server; every screen is a method call away."""

    def __init__(self, browser, server, folder, words):
        self.browser, self.server, self.folder, self.words, self.names = browser, server, folder, words, []
        with server.app.app_context():
            rooms = {room.name: room for room in db.session.query(Room)}
            self.path = {name: room.path for name, room in rooms.items()}
            self.archived = next(room.path for room in rooms.values() if room.archived_at)
            mirela = person("mirela")
            self.owner_of = next(
                m.room.path
                for m in db.session.query(Membership).filter_by(user_id=mirela.id, role="owner")
                if not m.room.archived_at
            )
            self.mine = own_message().id
            self.edited = db.session.query(Edit).order_by(Edit.message_id.desc()).first().message_id
            self.editor = db.session.get(Message, self.edited).author.username
            joined = {m.room_id for m in db.session.query(Membership) if m.user_id == mirela.id and m.role}
            self.visited = next((r.path for r in rooms.values() if r.id not in joined and r.kind == "public"), None)
            self.invite = create_invite(mirela, expires_days=7, max_uses=5).code
            set_sign_up(mirela, "open")
            self.reset = make_reset_link(mirela, person("lea")).removeprefix(server.url)
            hana = person("hana")
            self.arrive = f"/move/{begin_move(hana, live_session(begin_session(hana)))}"

            noa, secret = person("noa"), new_secret()
            set_up_totp(noa, secret, pyotp.TOTP(secret).now())
            db.session.add_all(
                Passkey(user_id=noa.id, credential_id=name, public_key="", name=name, created_at=noa.created_at)
                for name in ("My phone", "The blue security key that hangs beside the kitchen door")
            )
            db.session.commit()
            for username in ("noa", "hana"):
                replace_password(person(username), PASSWORD)
            self.moderate()

    def moderate(self):
        """Something for those who moderate: a report, somebody suspended, a removal, a slow room."""
        mirela, hana, suspended = person("mirela"), person("hana"), person("tomasz")
        said = db.session.query(Message).join(Room).filter(Room.name == "general", Message.deleted_at.is_(None))
        said = said.filter(Message.author_id.not_in((mirela.id, hana.id))).order_by(Message.seq.desc()).first()
        self.reported, self.report = said.id, report_message(hana, said, "This is about somebody who is not here").id
        suspend_person(mirela, suspended, until=now() + timedelta(days=3), reason="Flooding #general")
        remove_content(mirela, person("kwabena"), "all", reason="Asked for it")
        set_block(mirela, said.author, "mute")
        slow_down(person("amara"), public_room_named("buoy-firmware"), 30)

    def last_of_a_room(self):
        """A private room with nobody but mirela in it."""
        with self.server.app.app_context():
            return create_room(person("mirela"), "night-watch", kind="private", topic="Who is awake").path

    def guest(self):
        """(user name of a guest, the room they are in)."""
        with self.server.app.app_context():
            user = create_user(name="Guillaume Petit", email="gp@example.org", password_hash="", role="guest")
            room = public_room_named("buoy-firmware")
            add_member(person("amara"), room, user)
            return user.username, room.path

    def fill(self):
        """More people and rooms than a page holds."""
        if not self.words or any("many" in word for word in self.words):
            with self.server.app.app_context():
                crowd(120)
                for n in range(120):
                    create_room(person("amara"), f"buoy-{n:03}", topic="Readings of one buoy")

    def ask_of(self, who):
        """Of whom the community asks a second factor."""
        with self.server.app.app_context(), transaction():
            the_site().settings = {**the_site().settings, "second_factor": who}

    def take(self, name, place, username="mirela", *, before=None, at=None, size=None, theme=None):
        if self.words and not any(word in name for word in self.words):
            return
        server = at or self.server
        for width in [size] if size else SIZES:
            for scheme in [theme] if theme else ("light", "dark"):
                w, h = SIZES[width]
                context = self.browser.new_context(
                    base_url=server.url, color_scheme=scheme, viewport={"width": w, "height": h},
                    has_touch=width == "390", is_mobile=width == "390", reduced_motion="reduce",
                )  # fmt: skip
                if username:
                    key, _, value = server.cookie(username).partition("=")
                    context.add_cookies([{"name": key, "value": value, "url": server.url}])
                window = Window(context.new_page(), username, server)
                window.visit(place)
                if username and not name.startswith("error"):
                    window.live()
                if before:
                    before(window)
                window.page.evaluate("Promise.all([...document.images].map((image) => image.decode().catch(() => 0)))")
                window.page.screenshot(path=self.folder / f"{name}-{width}-{scheme}.png")
                self.names.append(f"{name}-{width}-{scheme}.png")
                context.close()
        print(name, flush=True)

    def index(self):
        figure = '<figure><img src="{0}" width="480" loading="lazy"><figcaption>{0}</figcaption></figure>'
        figures = "".join(map(figure.format, self.names))
        style = "body{display:flex;flex-wrap:wrap;gap:1rem;font:14px sans-serif}figure{margin:0}"
        (self.folder / "index.html").write_text(f"<!doctype html><meta charset=utf-8><style>{style}</style>{figures}")


def visit_all(studio):
    room = studio.path["general"]
    studio.take("room", room, before=to_the_end)
    studio.take("room-new", room, before=unread)
    studio.take("room-firmware", studio.path.get("buoy-firmware", room), before=to_the_end)
    studio.take("room-scrolled", room, before=scroll_up)
    studio.take("room-pending-offline", room, before=offline)
    studio.take("room-failed", room, before=failed)
    studio.take("room-hover", room, before=hover)
    studio.take("room-edit", room, before=edit)
    studio.take("room-delete", room, before=delete)
    studio.take("room-long-and-rtl", studio.path.get("random", studio.path["general"]), before=long_and_rtl)
    studio.take("room-archived", studio.archived)
    studio.take("room-permalink", room, before=show_own_message)
    if studio.visited:
        studio.take("room-visitor", studio.visited)
    studio.take("jump", room, before=jump)
    studio.take("keys", room, before=keys)
    studio.take("menu", room, before=menu)
    studio.take("index", "/")
    studio.take("rooms", "/rooms")
    studio.take("rooms-none", "/rooms?q=nowhere")
    studio.take("room-empty", "/rooms/new", before=new_room)
    studio.take("room-create", "/rooms/new")
    studio.take("members", f"{studio.owner_of}/members")
    studio.take("room-settings", f"{studio.owner_of}/settings")
    studio.take("profile", "/settings/profile")
    studio.take("email", "/settings/email")
    studio.take("security", "/settings/security")
    studio.take("factor", "/settings/second-factor")
    studio.take("factor-app", "/settings/second-factor/app")
    studio.take("factor-codes", "/settings/second-factor", before=new_codes)
    studio.take("factor-confirm", "/", before=lambda window: window.visit("/confirm"))
    studio.take("factor-recover", "/recover", None)
    studio.take("factor-second", "/login", None, before=second_step)
    studio.ask_of("everyone")
    studio.take("factor-set-up", "/login", None, before=first_set_up)
    studio.ask_of("nobody")
    studio.take("factor-all", "/settings/second-factor", "noa")
    studio.take("move", "/settings/move")
    studio.take("move-code", "/settings/move", before=lambda window: click(window, "Show a code", ".qr"))
    studio.take("move-asked", "/settings/move", before=somebody_asks)
    studio.take("data", "/settings/data")
    studio.take("data-ready", "/settings/data", before=lambda window: click(window, "Collect", ".button--primary"))
    studio.take("close", "/settings/close")
    studio.take("person-owner", "/people/kwabena", "amara")
    studio.take("sign-in-link", "/people/kwabena", "amara", before=lambda window: click(window, "Make a link", "#link"))
    studio.take("erase", "/people/kwabena/erase", "amara")
    studio.take("forgot", "/forgot", None)
    studio.take("reset", studio.reset, None)
    studio.take("arrive", studio.arrive, None)
    studio.take("people", "/people")
    studio.take("people-none", "/people?q=zzz")
    studio.take("person", "/people/amara")
    studio.take("invites", "/invites")
    pages = ["people", "rooms", "invites", "sign-in", "retention", "retention?days=1", "jobs", "audit", "settings"]
    for page in ("", *pages):
        name = f"admin-{page.replace('?days=1', '-preview') or 'overview'}"
        studio.take(name, f"/admin/{page}".rstrip("/"))
    studio.take("admin-audit-verified", "/admin/audit?verify=1")
    studio.take("admin-room-retention", f"{room}/retention")
    studio.take("moderation-report", f"/messages/{studio.reported}/report", "noa")
    studio.take("moderation-reports", "/reports")
    studio.take("moderation-decide", f"/reports/{studio.report}")
    studio.take("moderation-mine", "/reports/mine", "hana")
    studio.take("moderation-shut-out", "/reports/people")
    studio.take("moderation-removals", "/reports/removals")
    studio.take("moderation-person", "/people/lea/moderation")
    studio.take("moderation-privacy", "/settings/privacy")
    studio.take("moderation-slow", studio.path["buoy-firmware"])
    studio.take("moderation-muted", room, before=to_the_end)
    studio.take("edit", f"/messages/{studio.mine}/edit")
    studio.take("delete", f"/messages/{studio.mine}/delete")
    studio.take("history", f"/messages/{studio.edited}/history", studio.editor)
    studio.take("sign-in", "/login", None)
    studio.take("sign-in-refused", "/login", None, before=wrong)
    studio.take("sign-up", "/signup", None)
    studio.take("invite", f"/invite/{studio.invite}", None)
    studio.take("error-404", "/rooms/99999")
    studio.take("error-403", f"/messages/{studio.mine}/edit", "noa")
    studio.take("error-413", "/settings/profile", before=too_large)
    last = studio.last_of_a_room()
    studio.take("last-settings", f"{last}/settings")
    studio.take("last-leave", f"{last}/settings", before=leave)
    guest, place = studio.guest()
    studio.take("guest-room", place, guest)
    for name, path in (("index", "/"), ("rooms", "/rooms"), ("people", "/people"), ("members", f"{place}/members"),
                       ("settings", f"{place}/settings"), ("profile", "/settings/profile")):  # fmt: skip
        studio.take(f"guest-{name}", path, guest)
    studio.take("guest-menu", "/", guest, before=menu)
    studio.fill()
    for name, place in (("people", "/people"), ("members", f"{room}/members"), ("rooms", "/rooms")):
        studio.take(f"many-{name}", place, "amara")
        studio.take(f"many-{name}-end", place, "amara", before=to_the_end_of_the_page)
    studio.take("many-members-none", f"{room}/members?q=zzz", "amara")
    studio.take("error-429", "/rooms", before=too_fast)


def click(window, words, until):
    window.page.get_by_role("button", name=words).click()
    expect(window.find(until).first).to_be_visible()


def somebody_asks(window):
    """Another browser opens the code of this one, and asks."""
    refuse = window.page.get_by_role("button", name="No", exact=True)
    if refuse.count():  # what asked for the picture before
        refuse.click()
    click(window, "Show a code", ".qr")
    address = window.page.get_by_role("textbox", name="Link for the other device").input_value()
    phone = window.page.context.browser.new_context(user_agent=PHONE).new_page()
    phone.goto(address)
    phone.get_by_role("button", name="Ask to sign in").click()
    window.page.reload()
    expect(window.page.get_by_role("heading", name="Is this you?")).to_be_visible()
    phone.context.close()


def to_the_end(window):
    window.timeline.evaluate("(timeline) => { timeline.scrollTop = 0 }")
    expect(window.find(".timeline .message").last).to_be_in_viewport()


def leave(window):
    window.button("Leave").click()
    expect(window.dialog).to_be_visible()


def to_the_end_of_the_page(window):
    window.find(".pager").scroll_into_view_if_needed()


def unread(window):
    with window.server.app.app_context():
        room = public_room_named("general")
        mark_unread(person("mirela"), room, own_message().seq)
    window.visit("/people").visit(room_path(window)).live()
    expect(window.find(".separator--new")).to_be_visible()


def room_path(window):
    with window.server.app.app_context():
        return public_room_named("general").path


def scroll_up(window):
    to_the_end(window)
    window.timeline.evaluate("(timeline) => timeline.scrollBy(0, -900)")
    expect(window.find("[data-room-target=latest]")).to_be_visible()


def offline(window):
    to_the_end(window)
    window.go_offline()
    for text in ("I will be out of reach until the ferry docks.", "Back by four."):
        window.composer.fill(text)
        window.find(".composer").evaluate("(form) => form.requestSubmit()")
    expect(window.bar).to_be_visible()


def failed(window):
    to_the_end(window)
    window.composer.evaluate("(text) => text.removeAttribute('maxlength')")
    window.composer.fill("This went on for far too long. " + "\u200b" * 20_000)
    window.find(".composer").evaluate("(form) => form.requestSubmit()")
    expect(window.find(".message--failed")).to_be_visible()
    window.button("Discard").scroll_into_view_if_needed()


def hover(window):
    to_the_end(window)
    window.find(".timeline .message").nth(-2).hover()


def edit(window):
    show_own_message(window)
    window.find(".message:target").focus()
    window.page.keyboard.press("e")
    expect(window.page.get_by_label("Edit the message")).to_be_visible()


def delete(window):
    show_own_message(window)
    window.find(".message:target").focus()
    window.page.keyboard.press("Delete")
    expect(window.dialog).to_be_visible()


def own_message():
    """The newest of mirela's in #general."""
    mine = db.session.query(Message).join(Room).filter(Room.name == "general", Message.author_id == person("mirela").id)
    return mine.filter(Message.deleted_at.is_(None)).order_by(Message.seq.desc()).first()


def show_own_message(window):
    with window.server.app.app_context():
        path = own_message().path
    window.visit(path).live()
    expect(window.find(".message:target")).to_be_visible()


def long_and_rtl(window):
    if not window.find(".timeline", has_text="שלום").count():
        window.composer.fill(LONG)
        window.find(".composer").evaluate("(form) => form.requestSubmit()")
        expect(window.find(".message--pending")).to_have_count(0)
        window.composer.fill(RTL)
        window.find(".composer").evaluate("(form) => form.requestSubmit()")
    to_the_end(window)


def jump(window):
    window.page.evaluate("document.querySelector('[data-dialog=jump]').click()")
    window.page.keyboard.type("a")
    expect(window.find("#jump [role=option] .avatar").first).to_be_visible()


def keys(window):
    window.timeline.focus()
    window.page.keyboard.press("?")
    expect(window.find("#keys")).to_be_visible()


def menu(window):
    if window.page.viewport_size["width"] < 720:
        window.visit("/")
    window.find(".sidebar__community").click()
    expect(window.find("#community-menu")).to_be_visible()


def new_room(window):
    width = window.page.viewport_size["width"]
    dark = window.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    window.page.get_by_label("Name").first.fill(f"dock-{width}-{'dark' if dark else 'light'}")
    window.button("Create room").click()
    expect(window.find("section.room")).to_be_visible()


def come_in(window, username, until):
    window.page.get_by_label("E-mail or user name").fill(username)
    window.page.get_by_label("Password", exact=True).fill(PASSWORD)
    window.button("Sign in").click()
    expect(window.find("h1")).to_contain_text(until)


def new_codes(window):
    """Also when there are some, without the question whether they are to go."""
    window.find("form[action$='/codes']").evaluate("(form) => form.submit()")
    expect(window.find(".codes")).to_be_visible()


def second_step(window):
    come_in(window, "noa", "One more step")


def first_set_up(window):
    come_in(window, "hana", "Set up a second step")


def wrong(window):
    window.page.get_by_label("E-mail or user name").fill("mirela")
    window.page.get_by_label("Password", exact=True).fill("wrong")
    window.button("Sign in").click()
    expect(window.find(".notice--danger, .field__error").first).to_be_visible()


def too_large(window):
    picture = {"name": "big.png", "mimeType": "image/png", "buffer": b"0" * 9_000_000}
    window.find("#picture").set_input_files(picture)
    window.button("Use this picture").click()
    expect(window.page.get_by_text(re.compile("too large|larger"), exact=False).first).to_be_visible()


def too_fast(window):
    token = window.find("input[name=csrf_token]").first.input_value()
    for _ in range(60):
        if window.page.request.post("/rooms/99999/join", form={"csrf_token": token}).status == 429:
            break
    window.page.evaluate(
        """(token) => {
          const form = Object.assign(document.createElement("form"), { method: "post", action: "/rooms/99999/join" })
          const field = Object.assign(document.createElement("input"), { name: "csrf_token", value: token })
          form.append(field); document.body.append(form); form.submit()
        }""",
        token,
    )
    expect(window.page.get_by_role("heading", name="A little slower, please")).to_be_visible()


def main(folder, *words):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    folders = tempfile.TemporaryDirectory
    with folders() as data, folders() as nothing, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        server = seeded(Path(data), {"RATE_LIMITS": "on", "LIMIT_ROOM": "12 + 1/min", **PROVIDERS})
        empty = Server(Path(nothing)).start()
        try:
            studio = Studio(browser, server, folder, words)
            visit_all(studio)
            studio.take("setup", "/setup", None, at=empty)
            studio.index()
        finally:
            server.close()
            empty.close()
            browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
