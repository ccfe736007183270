"""Every way in there is, and which row of the matrix says who may take it. A route or event that is missing here fails
`test_matrix.py`: add it to the row it belongs to, or write a row.

In paths and fields `{room}`, `{own}` and `{foreign}` (messages), `{member}` and `{moderator}` (people of the room) and
the like stand for what is in the world of `world.py`; "@room" is the same as a number.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Way:
    """how   GET, POST (a form, or JSON below /api/v1), PATCH, DELETE, socket, do, sse"""

    how: str
    where: str
    fields: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.how} {self.where}"


def page(path):
    return [Way("GET", path)]


def form(path, **fields):
    return [Way("POST", path, fields)]


def event(name, **fields):
    """Over a websocket, and as a request."""
    return [Way("socket", name, fields), Way("do", name, fields)]


def rest(method, path, **fields):
    return [Way(method, path, fields)]


# {name of the action: (row of ROOMS, ways in)}
IN_ROOMS = {
    "read what was said": ("see", [
        *page("/rooms/{room}"), *page("/rooms/{room}/timeline"), *page("/rooms/{room}/messages/{foreign}"),
        *rest("GET", "/api/v1/rooms/{room}/messages"), *rest("GET", "/api/v1/messages/{foreign}"),
        *rest("GET", "/api/v1/rooms/{room}"),
    ]),
    "see who is there": ("see", page("/rooms/{room}/members") + rest("GET", "/api/v1/rooms/{room}/members")),
    "see the settings": ("see", page("/rooms/{room}/settings")),
    "join": ("join", form("/rooms/{room}/join") + event("join", room="@room")
             + rest("POST", "/api/v1/rooms/{room}/join")),
    "leave": ("leave", form("/rooms/{room}/leave") + event("leave", room="@room")
              + rest("POST", "/api/v1/rooms/{room}/leave")),
    "post": ("write", form("/rooms/{room}/messages", text="Hello", key="{key}")
             + event("message", room="@room", text="Hello", key="{key}")
             + rest("POST", "/api/v1/rooms/{room}/messages", text="Hello")),
    "edit one's own": ("change-own", page("/messages/{own}/edit") + form("/messages/{own}/edit", text="Other", rev="1")
                       + event("edit", message="@own", text="Other")
                       + rest("PATCH", "/api/v1/messages/{own}", text="Other")),
    "edit another's": ("edit-foreign", page("/messages/{foreign}/edit")
                       + form("/messages/{foreign}/edit", text="Other", rev="1")
                       + event("edit", message="@foreign", text="Other")
                       + rest("PATCH", "/api/v1/messages/{foreign}", text="Other")),
    "delete one's own": ("change-own", page("/messages/{own}/delete") + form("/messages/{own}/delete")
                         + event("delete", message="@own") + rest("DELETE", "/api/v1/messages/{own}")),
    "delete another's": ("delete-foreign", page("/messages/{foreign}/delete") + form("/messages/{foreign}/delete")
                         + event("delete", message="@foreign") + rest("DELETE", "/api/v1/messages/{foreign}")),
    "see one's own earlier texts": ("own-history", page("/messages/{own}/history")),
    "see another's earlier texts": ("foreign-history", page("/messages/{foreign}/history")),
    "add somebody": ("add", form("/rooms/{room}/members", person="newt")),
    "make a link for a guest": ("add", form("/rooms/{room}/guest-link")),
    "remove a member": ("remove-member", form("/rooms/{room}/members/{member}/remove")),
    "remove a moderator": ("remove-moderator", form("/rooms/{room}/members/{moderator}/remove")),
    "make a moderator": ("run", form("/rooms/{room}/members/{member}/role", role="moderator")),
    "change the room": ("run", form("/rooms/{room}/settings", name="{name}", topic="New", description="")),
    "slow the room down": ("delete-foreign", form("/rooms/{room}/pace", seconds="30")),
    "decide how long it keeps what was said": ("keep", page("/rooms/{room}/retention")
                                               + form("/rooms/{room}/retention", days="")),
    "hold what was said": ("hold", form("/rooms/{room}/legal-hold", on="1")),
    "report another's": ("report-foreign", page("/messages/{foreign}/report")
                         + form("/messages/{foreign}/report", reason="Rude")),
    "report one's own": ("report-own", page("/messages/{own}/report") + form("/messages/{own}/report", reason="Rude")),
    "archive": ("archive", form("/rooms/{room}/archive")),
    "restore": ("archive", form("/rooms/{room}/restore")),
    "mark read": ("follow", form("/rooms/{room}/read") + event("read", room="@room", seq=1)),
    "mark unread": ("follow", form("/rooms/{room}/unread", seq="2") + event("unread", room="@room", seq=2)),
    "say that one is writing": ("follow", event("typing", room="@room", on=True)),
    "say that it is on the screen": ("follow", event("here", room="@room", active=True)),
    "ask what was missed": ("follow", event("resume", epoch="{epoch}", streams="@streams")),
    "follow it as an event stream": ("follow", [Way("sse", "/api/v1/events?rooms={room}"),
                                            Way("sse", "/api/v1/events?rooms={room}&presence=desk")]),
}  # fmt: skip

# {name: (row of COMMUNITY, ways in)}
IN_COMMUNITY = {
    "see the front page": ("signed-in", page("/")),
    "see the directory": ("signed-in", page("/rooms") + rest("GET", "/api/v1/rooms")),
    "mark everything read": ("signed-in", form("/read-all")),
    "open a room": ("create", page("/rooms/new") + form("/rooms/new", name="fresh", kind="public")
                    + rest("POST", "/api/v1/rooms", name="fresh", kind="public")),
    "come into a private room as owner": ("own", page("/rooms/open-as-owner") + form(
        "/rooms/open-as-owner", room="{private}", reason="Because", confirmed="yes")),
    "see people": ("signed-in", page("/people") + rest("GET", "/api/v1/people")),
    "see somebody of one's room": ("see-mia", page("/people/{mia}") + rest("GET", "/api/v1/people/{mia}")),
    "see somebody else": ("see-stan", page("/people/{stan}") + rest("GET", "/api/v1/people/{stan}")),
    "change a role": ("role-of-mia", form("/people/{mia}/role", role="moderator")),
    "change the role of an administrator": ("role-of-adam", form("/people/{adam}/role", role="member")),
    "make an owner": ("make-mia-owner", form("/people/{mia}/role", role="owner", typed="mia")),
    "change one's own role": ("own-role", form("/people/{me}/role", role="moderator")),
    "step down": ("own", form("/settings/step-down")),
    "see one's profile": ("signed-in", page("/settings/profile")),
    "change one's profile": ("oneself", form(
        "/settings/profile", name="Somebody", username="{me}", bio="", time_zone="UTC")),
    "show a picture": ("oneself", form("/settings/avatar", picture="a file")),
    "show no picture": ("oneself", form("/settings/avatar/remove")),
    "see where one is signed in": ("signed-in", page("/settings/security")),
    "change one's password": ("by-password", form(
        "/settings/password", current="four odd tide gauges", new="walnut ferry copper dusk")),
    "end a session of one's own": ("signed-in", form("/settings/sessions/{own_session}/end")),
    "end a session of another's": ("of-another", form("/settings/sessions/{foreign_session}/end")),
    "end one's other sessions": ("signed-in", form("/settings/sessions/end-others")),
    "close one's account, by a wrong password": ("refused-there", form("/settings/close", password="not mine")),
    "see the page that closes one's account": ("signed-in", page("/settings/close")),
    "close an account": ("role-of-mia", form("/people/{mia}/close")),
    "close an administrator's account": ("role-of-adam", form("/people/{adam}/close")),
    "open an account again": ("role-of-mia", form("/people/{mia}/open")),
    "open an administrator's account again": ("role-of-adam", form("/people/{adam}/open")),
    "erase somebody": ("make-mia-owner", page("/people/{mia}/erase") + form(
        "/people/{mia}/erase", confirmation="mia", messages="keep")),
    "see one's data": ("signed-in", page("/settings/data")),
    "collect one's data": ("signed-in", form("/settings/data/export")),
    "collect another's data": ("make-mia-owner", form("/people/{mia}/export")),
    "fetch another's data": ("of-another", page("/settings/data/exports/{foreign_export}")),
    "help somebody to sign in": ("role-of-mia", form("/people/{mia}/sign-in-link")
                                 + form("/people/{mia}/reset-second-factors")),
    "help an administrator to sign in": ("role-of-adam", form("/people/{adam}/sign-in-link")
                                         + form("/people/{adam}/reset-second-factors")),
    "see one's second factors": ("signed-in", page("/settings/second-factor")),
    "be led to setting one up, needing none": ("signed-in", page("/login/needed")),
    "see what an app needs": ("oneself", page("/settings/second-factor/app")),
    "set up an app with a wrong code": ("oneself-refused", form("/settings/second-factor/app", code="000000")),
    "remove the app that one does not have": ("own-missing", form("/settings/second-factor/app/remove")),
    "make recovery codes": ("oneself", form("/settings/second-factor/codes")),
    "ask for a passkey": ("oneself", form("/passkeys/challenge/register")),
    "add a passkey that is none": ("refused-there", form("/settings/passkeys", credential="{{}}", name="Mine")),
    "touch another's passkey": ("of-another", form("/settings/passkeys/{foreign_passkey}/rename", name="Mine")
                                + form("/settings/passkeys/{foreign_passkey}/remove")),
    "confirm that it is oneself": ("by-password", page("/confirm") + form(
        "/confirm", password="four odd tide gauges")),
    "ask to confirm by a passkey": ("signed-in", form("/passkeys/challenge/confirm")),
    "confirm by a passkey that is none": ("refused-there", form("/confirm/passkey", credential="{{}}")),
    "show a second factor without a first": ("first-first", [
        *page("/login/second"), *form("/login/second", code="000000"), *form("/login/second/passkey"),
        *form("/passkeys/challenge/second"), *page("/login/set-up"), *form("/login/set-up", code="000000"),
        *form("/login/set-up/passkey"), *form("/passkeys/challenge/set-up"),
    ]),
    "sign in by a passkey that is none": ("first-first", form("/login/passkey", credential="{{}}")),
    "ask to sign in by a passkey": ("anyone", form("/passkeys/challenge/sign-in")),
    "begin again with signing in": ("anyone", form("/login/cancel")),
    "recover by a code that is none": ("refused", form(
        "/recover", login="stan", recovery_code="aaaa-bbbb-cccc", new="walnut ferry copper dusk")),
    "see the page to recover": ("anyone", page("/recover")),
    "see the page for a forgotten password": ("anyone", page("/forgot")),
    "ask for a letter where there is no mail": ("nobody", form("/forgot", email="stan@example.org")),
    "take a link that never was": ("nobody", [
        *page("/reset/never"), *form("/reset/never", new="walnut ferry copper dusk"), *page("/confirm/never"),
        *form("/confirm/never"), *page("/move/never"), *form("/move/never"), *form("/move/never/begin"),
    ]),
    "change one's e-mail address": ("by-password", page("/settings/email") + form(
        "/settings/email", email="fresh@example.org", password="four odd tide gauges")),
    "move to another device": ("signed-in", page("/settings/move") + form("/settings/move")),
    "let nobody move": ("nothing-to-answer", form("/settings/move/answer", asker="nobody", answer="no")),
    "mute somebody": ("mute-mia", form("/people/{mia}/hear", kind="mute")),
    "see whom one has muted": ("signed-in", page("/settings/privacy")),
    "see one's reports": ("signed-in", page("/reports/mine")),
    "see what was reported": ("moderate", [
        *page("/reports"), *page("/reports/decided"), *page("/reports/people"), *page("/reports/removals"),
        *page("/people/{mia}/moderation"),
    ]),
    "decide a report": ("see-report", page("/reports/{foreign_report}") + form(
        "/reports/{foreign_report}/decide", decision="dismissed")),
    "suspend somebody": ("moderate-mia", form("/people/{mia}/suspend", hours="24", reason="Rude")),
    "let somebody in again": ("moderate-mia", form("/people/{mia}/lift")),
    "suspend an administrator": ("role-of-adam", form("/people/{adam}/suspend", hours="24", reason="Rude")
                                 + form("/people/{adam}/lift")),
    "ban somebody": ("role-of-mia", form("/people/{mia}/ban", reason="Rude", typed="mia")
                     + form("/people/{mia}/unban")),
    "ban an administrator": ("role-of-adam", form("/people/{adam}/ban", reason="Rude", typed="adam")
                             + form("/people/{adam}/unban")),
    "take away what somebody wrote": ("moderate-mia", form("/people/{mia}/remove-messages", period="day", reason="")),
    "take away what an administrator wrote": ("role-of-adam", form(
        "/people/{adam}/remove-messages", period="day", reason="")),
    "put back what was never taken": ("of-another", form("/removals/{foreign_removal}/undo")),
    "sign in through a provider that is not set up": ("nobody", form("/login/with/none")
                                                      + page("/login/with/none/callback")),
    "prove an account to a provider that nobody came from": ("first-first", page("/login/confirm")
                                                             + form("/login/confirm", password="four odd")),
    "connect or disconnect a provider that is not there": ("nothing-to-answer", [
        *form("/settings/security/connect/none"), *form("/settings/security/identities/{foreign_identity}/remove"),
    ]),
    "look at how the community is run": ("admin-only", [
        way for name in ("", "/people", "/rooms", "/invites", "/sign-in", "/settings", "/retention", "/jobs", "/audit")
        for way in page(f"/admin{name}")
    ]),
    "run the community": ("admin-only", [
        *form("/admin/rooms/{public}/archive"), *form("/admin/rooms/{public}/restore"),
        *form("/admin/invites/{foreign_invite}/revoke"), *form("/admin/sign-up", sign_up="open"),
        *form("/admin/sign-in", password_sign_in="True", second_factor="nobody"),
        *form("/admin/settings", who_may_invite="admin", who_may_create_room="member", new_account_hours="0"),
        *form("/admin/community", name="Tidewater", hue="205"), *form("/admin/retention", days=""),
        *form("/admin/audit/export", format="csv"),
    ]),
    "archive a private room from outside": ("of-another", form("/admin/rooms/{private}/archive")
                                            + form("/admin/rooms/{private}/restore")),
    "try a job again that never was": ("of-another", form("/admin/jobs/{foreign_job}/retry")),
    "see oneself": ("signed-in", rest("GET", "/api/v1/me")),
    "see one's tokens": ("signed-in", page("/settings/tokens")),
    "make a token": ("oneself", form("/settings/tokens", name="Mine", scopes="read", days="30")),
    "revoke another's token": ("of-another", form("/settings/tokens/{foreign_session}/revoke")),
    "ask for a token with nothing to show": ("refused", rest("POST", "/api/v1/token", grant_type="password")),
    "revoke a token that is none": ("anyone", rest("POST", "/api/v1/token/revoke", token="none")),
    "read about the API": ("anyone", page("/api/docs") + page("/api/docs/openapi.json")),
    "see invites": ("create", page("/invites")),
    "invite": ("create", form("/invites", expires_days="7")),
    "revoke one's own invite": ("own-invite", form("/invites/{own_invite}/revoke")),
    "revoke another's invite": ("foreign-invite", form("/invites/{foreign_invite}/revoke")),
    "open the community": ("administer", form("/invites/sign-up", sign_up="open")),
    "follow one's own streams": ("signed-in", [Way("sse", "/api/v1/events"),
                                                Way("sse", "/api/v1/events?presence=desk")]),
    "see the page to sign in": ("anyone", page("/login")),
    "sign in": ("anyone", form("/login", login="stan", password="four odd tide gauges")),
    "sign in at an account that is closed": ("refused", form(
        "/login", login="the-bn", password="four odd tide gauges")),
    "sign out": ("anyone", form("/logout")),
    "sign up while that is closed": ("nobody", page("/signup") + form(
        "/signup", name="Eve", email="eve@example.org", password="walnut ferry copper dusk")),
    "come by an invite": ("anyone", page("/invite/{code}") + form(
        "/invite/{code}", name="Eve", email="eve@example.org", password="walnut ferry copper dusk")),
    "come by no invite": ("nobody", page("/invite/never") + form("/invite/never")),
    "found the community again": ("anyone", page("/setup") + form("/setup")),  # which leads to the page to sign in
    "see a picture whose name one has": ("anyone", page("/avatars/{avatar}")),
    "see a picture that is not there": ("nobody", page("/avatars/00000000000000000000000000000000.webp")),
    "see that the server is there": ("anyone", page("/healthz") + page("/readyz")),
    "see the server's figures without their token": ("figures", page("/metrics")),
    "get a static file": ("anyone", page("/static/{css}") + page("/static/accent-205.css")),
}  # fmt: skip
