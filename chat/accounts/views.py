"""Pages and forms about accounts. No rules here: see policy.py and actions/."""

from flask import Blueprint, current_app, g, redirect, request, send_file
from flask_login import current_user

from chat.accounts import actions, avatars
from chat.accounts.coming_in import come_in, let_in
from chat.accounts.confirmed import confirmed
from chat.accounts.credentials import BROWSER, PROGRAM, TOKEN
from chat.accounts.forms import AvatarForm, PasswordForm, ProfileForm, RoleForm, SignInForm, SignUpForm, TokenForm
from chat.accounts.oidc.providers import providers
from chat.accounts.policy import ROLES, can_block, can_give_role, can_step_down, can_to
from chat.accounts.presenter import (
    present_identities,
    present_in_list,
    present_invitation,
    present_page,
    present_person,
    present_providers,
    present_session,
    present_token,
    zone_of,
)
from chat.accounts.queries import (
    block_between,
    blocked_people,
    count_for,
    invite_by_code,
    own_session,
    people_count,
    people_for,
    person_for,
    sessions_of,
    some_people,
)
from chat.accounts.return_path import return_path
from chat.accounts.scopes import SCOPES
from chat.accounts.signed_in import drop_token, find_session, session_here, signed_in, this_browser
from chat.core import storage
from chat.core.errors import ChatError, Conflict, Invalid, NotFound, RateLimited
from chat.core.headers import NO_DOCUMENT
from chat.core.paging import arguments
from chat.core.policies import open_to
from chat.core.rate_limit import limited
from chat.core.web import add_error, redirect_back, render_page, say_when, see_other
from chat.site.queries import setting, the_site

bp = Blueprint("accounts", __name__)

# What later nouns add to a person's page: name in the template → function(actor, user). Filled in chat/wiring.py.
on_person_page = {}
on_invitation_page = {}  # "rooms" → function(invite): names of the rooms it leads to


# Coming in and going out


@bp.route("/login", methods=["GET", "POST"])
@open_to("anyone, to sign in")
def sign_in():
    if current_user.is_authenticated and request.method == "GET":
        return redirect(return_path(request.args.get("next")), 303)
    form = SignInForm(next=request.args.get("next"))
    if not form.validate_on_submit():
        return sign_in_page(form, 422 if form.is_submitted() else 200)
    try:
        admitted = actions.sign_in(form.login.data, form.password.data, **this_browser())
    except ChatError as error:
        add_error(form, error)
        return say_when(sign_in_page(form, error.status), error)
    return let_in(admitted, next=form.next.data)


def sign_in_page(form, status):
    """With passwords switched off, the form of owners waits behind a link."""
    passwords = setting("password_sign_in")
    asked = passwords or "password" in request.args or form.is_submitted()
    return render_page(
        "accounts/sign_in.html", status, form=form, open=the_site().is_open, providers=present_providers(),
        passwords=passwords, show_password=asked or not providers(),
    )  # fmt: skip


@bp.post("/logout")
@open_to("anyone; it ends the session of this browser, if there is one")
def sign_out():
    if session := session_here():
        if "everywhere" in request.form:
            actions.end_other_sessions(session.user)
        else:
            actions.end_session(session.user, session)
    drop_token()
    return redirect("/login", 303)


@bp.route("/signup", methods=["GET", "POST"])
@open_to("anyone, while sign-up is open")
def sign_up():
    if not the_site().is_open:
        raise NotFound
    return _new_account(None, lambda **fields: actions.sign_up(**fields))


@bp.route("/invite/<code>", methods=["GET", "POST"])
@open_to("whoever has the code of an open invite")
def invitation(code):
    invite = invite_by_code(code)
    actions.refuse_unusable(invite)
    rooms = on_invitation_page["rooms"](invite)
    if invite.role == "guest" and not rooms:
        raise NotFound("That invite leads to no room any more. Ask for a new link.")
    return _new_account(present_invitation(invite, rooms), lambda **fields: actions.accept_invite(code, **fields))


def _new_account(invite, make):
    if current_user.is_authenticated:
        return see_other("/", f"You are signed in as {current_user.name} already.")
    form = SignUpForm()
    status = 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        fields = {f: form[f].data for f in ("name", "username", "email", "password")}
        try:
            user = make(**fields, address=request.remote_addr)
        except NotFound:  # the invite was used up, or sign-up closed, a moment ago
            raise
        except ChatError as error:
            add_error(form, error)
            status = 429 if isinstance(error, RateLimited) else 422
        else:
            return come_in(user)
    guest = invite is not None and invite.role == "guest"  # who never learns of people outside their rooms
    people = [] if guest else [present_person(user) for user in some_people(5)]
    return render_page(
        "accounts/sign_up.html", status, form=form, invite=invite, people=people, people_count=people_count(),
        providers=present_providers(), passwords=setting("password_sign_in"),
    )  # fmt: skip


# People


@bp.get("/people")
@signed_in
def people(actor):
    q = request.args.get("q", "").strip()[:100]
    found, more = people_for(actor, q, after=request.args.get("after", type=int))
    return render_page(
        "accounts/people.html", people=list(map(present_in_list, found)), q=q, count=count_for(actor, q),
        next=arguments(after=found[-1].id) if more else None,
    )  # fmt: skip


@bp.get("/people/<username>")
@signed_in
def person(actor, username):
    user = person_for(actor, username)
    return _person_page(actor, user, RoleForm(formdata=None, role=user.role))


def _person_page(actor, user, form, status=200):
    more = {name: make(actor, user) for name, make in on_person_page.items()}
    block = block_between(actor.id, user.id)
    roles = [role for role in ROLES if role == user.role or can_give_role(actor, user, role)]
    may = {verb: bool(can_to(actor, verb, user)) for verb in ("help_sign_in", "deactivate", "erase")}
    return render_page(
        "accounts/person.html", status, person=present_page(user, rooms=more.pop("rooms", ())), form=form, roles=roles,
        may=may, block=block and block.kind, can_block=bool(can_block(actor, user)), **more,
        can_step_down=user.id == actor.id and bool(can_step_down(actor)),
    )  # fmt: skip


@bp.post("/people/<username>/hear")
@signed_in
@limited("change")
def set_block(actor, username):
    """Mute, block, or (nothing chosen) hear again. The list in the settings does the same, and one comes back to it."""
    user, kind = person_for(actor, username), request.form.get("kind") or None
    actions.set_block(actor, user, kind)
    words = {"mute": "What {} writes is folded away.", "block": "{} is blocked.", None: "You hear {} again."}[kind]
    return redirect_back(user.path, words.format(user.name))


@bp.get("/settings/privacy")
@signed_in
def privacy(actor):
    people = [(present_person(user), kind) for user, kind in blocked_people(actor.id)]
    return render_page("accounts/privacy.html", people=people)


@bp.post("/people/<username>/role")
@signed_in
@confirmed
@limited("change")
def set_person_role(actor, username):
    user, form = person_for(actor, username), RoleForm()
    try:
        actions.set_person_role(actor, user, form.role.data or "", typed=form.typed.data or "")
    except (Conflict, Invalid) as error:
        add_error(form, error)
        return _person_page(actor, user, form, error.status)
    return see_other(user.path, f"{user.name} is {_one(user.role)} now.")


def _one(role):
    return f"{'an' if role[0] in 'ao' else 'a'} {role}"


@bp.post("/settings/step-down")
@signed_in
@confirmed
@limited("change")
def step_down(actor):
    try:
        actions.step_down(actor)
    except Conflict as error:
        return see_other(actor.path, error.message, "danger")
    return see_other(actor.path, "You are an administrator now.")


# One's own profile


@bp.route("/settings/profile", methods=["GET", "POST"])
@signed_in
@limited("change")
def profile(actor):
    form = ProfileForm(obj=actor)
    if form.validate_on_submit():
        fields = {f: form[f].data for f in ("name", "username", "pronouns", "title", "bio", "time_zone")}
        try:
            actions.update_profile(actor, **fields)
            return see_other("/settings/profile", "Saved.")
        except (Conflict, Invalid) as error:
            add_error(form, error)
    return _profile_page(actor, form, AvatarForm(formdata=None), 422 if form.is_submitted() else 200)


def _profile_page(actor, form, avatar_form, status):
    return render_page(
        "accounts/profile.html", status,
        form=form, avatar_form=avatar_form, person=present_page(actor), email=actor.email,
    )  # fmt: skip


@bp.post("/settings/avatar")
@signed_in
@limited("change")
def set_avatar(actor):
    form = AvatarForm()
    try:
        actions.set_avatar(actor, _uploaded(form.picture.data))
        return see_other("/settings/profile", "That is you now.")
    except ChatError as error:
        add_error(form, error)
        return _profile_page(actor, ProfileForm(formdata=None, obj=actor), form, error.status)


def _uploaded(file):
    most = current_app.config["PARLEY"].upload_bytes
    picture = file.read(most + 1) if file else b""
    avatars.refuse_size(len(picture), most)
    return picture


@bp.post("/settings/avatar/remove")
@signed_in
@limited("change")
def remove_avatar(actor):
    actions.remove_avatar(actor)
    return see_other("/settings/profile", "Your initials are back.")


@bp.get("/avatars/<name>")
@open_to("whoever has the name, which cannot be guessed")
def avatar(name):
    """Anybody who knows the name of a picture, which nobody can guess, may see it: also people with an invite."""
    path = storage.path_of(avatars.KIND, name)
    if path is None:
        raise NotFound
    response = send_file(path, mimetype=avatars.CONTENT_TYPE, etag=False, conditional=True)
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"  # another picture has another name
    response.headers["Content-Security-Policy"] = f"{NO_DOCUMENT}; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


# Sessions and the password


@bp.get("/settings/security")
@signed_in
def security(actor):
    return _security_page(actor, PasswordForm(), 200)


def _security_page(actor, form, status):
    zone, current = zone_of(actor), find_session()
    sessions = [present_session(s, current=s.id == current.id, zone=zone) for s in sessions_of(actor, BROWSER)]
    sessions.sort(key=lambda view: not view.current)
    return render_page(
        "accounts/security.html", status, form=form, sessions=sessions, identities=present_identities(actor),
        providers=present_providers(), has_password=bool(actor.password_hash),
    )  # fmt: skip


@bp.post("/settings/password")
@signed_in
def change_password(actor):
    form = PasswordForm()
    if not form.validate_on_submit():
        return _security_page(actor, form, 422)
    try:
        fields = {"current": form.current.data, "new": form.new.data}
        actions.change_password(actor, g.session, **fields, address=request.remote_addr)
        return see_other("/settings/security", "Your password is changed. Other browsers are signed out.")
    except ChatError as error:
        add_error(form, error)
        return say_when(_security_page(actor, form, error.status), error)


@bp.post("/settings/sessions/<int:id>/end")
@signed_in
@confirmed
def end_session(actor, id):
    actions.end_session(actor, own_session(actor, id))
    return see_other("/settings/security", "That browser is signed out.")


@bp.post("/settings/sessions/end-others")
@signed_in
@confirmed
def end_other_sessions(actor):
    actions.end_other_sessions(actor, g.session)
    return see_other("/settings/security", "Every other browser is signed out.")


# Tokens for programs


@bp.get("/settings/tokens")
@signed_in
def tokens(actor):
    return _tokens_page(actor, TokenForm(), 200)


@bp.post("/settings/tokens")
@signed_in
@confirmed
@limited("change")
def make_token(actor):
    """The one place where a token's value is shown, once: in the answer to the form that made it."""
    form = TokenForm()
    if form.validate_on_submit():
        try:
            fields = {"scopes": form.scopes.data, "days": form.days.data}
            value, session = actions.make_token(actor, form.name.data, **fields)
            made = {"value": value, "name": session.name}
            return _tokens_page(actor, TokenForm(formdata=None), 200, made=made)
        except ChatError as error:
            add_error(form, error)
            return _tokens_page(actor, form, error.status)
    return _tokens_page(actor, form, 422)


def _tokens_page(actor, form, status, *, made=None):
    zone = zone_of(actor)
    made_by_me, programs = (
        [present_token(session, zone=zone) for session in sessions_of(actor, kind)] for kind in (TOKEN, PROGRAM)
    )
    return render_page(
        "accounts/tokens.html", status, form=form, tokens=made_by_me, programs=programs, scopes=SCOPES, made=made
    )


@bp.post("/settings/tokens/<int:id>/revoke")
@signed_in
def revoke_token(actor, id):
    actions.revoke_token(actor, own_session(actor, id))
    return see_other("/settings/tokens", "That token no longer works.")
