"""Pages of the second factor: showing it on the way in, setting it up, and proving once more that it is oneself."""

from flask import Blueprint, Response, g, redirect, request, session, url_for

from chat.accounts import actions, passkeys, totp
from chat.accounts.actions.admit import SET_UP, SHOW, Admitted, mark_of
from chat.accounts.actions.confirm import is_confirmed
from chat.accounts.coming_in import let_in, take_over, waiting
from chat.accounts.confirmed import confirmed
from chat.accounts.factor_forms import (
    CodeForm,
    ConfirmForm,
    NewPasskeyForm,
    PasskeyForm,
    PasskeyNameForm,
    RecoverForm,
)
from chat.accounts.passkeys import take_challenge
from chat.accounts.policy import can_change_factors, can_remove_last_factor
from chat.accounts.presenter import present_factors, present_person
from chat.accounts.queries import codes_left, passkey_for, passkeys_of, person_for, totp_of, user_by_id
from chat.accounts.recovery_codes import FEW
from chat.accounts.return_path import return_path
from chat.accounts.signed_in import (
    held_up_session,
    keep_token,
    session_here,
    signed_in,
    signed_in_or_held_up,
    this_browser,
    this_network,
)
from chat.core.authorize import authorize
from chat.core.errors import ChatError, Forbidden, Invalid, Unauthorized
from chat.core.policies import open_to
from chat.core.rate_limit import limited, limiter
from chat.core.sealed import Unreadable, seal, unseal
from chat.core.web import add_error, render_page, say_when, see_other
from chat.site.queries import the_site

bp = Blueprint("factors", __name__)

HOME = "/settings/second-factor"
CANDIDATE = "totp"  # where a Flask session keeps the secret that is being set up, sealed


# On the way in


@bp.route("/login/second", methods=["GET", "POST"])
@waiting(SHOW)
def second(way):
    """A code of the app, or one from paper."""
    form = CodeForm()
    if not form.validate_on_submit():
        return _second_page(way, form, 422 if form.is_submitted() else 200)
    return _shown(way, form, lambda: actions.admit_by_code(way.user_id, way.mark, form.code.data, **this_browser()))


@bp.post("/login/second/passkey")
@waiting(SHOW)
def second_by_passkey(way):
    form = PasskeyForm()

    def show():
        challenge = take_challenge(f"second:{way.nonce}")
        shown = actions.check_passkey(form.credential.data, challenge, user_id=way.user_id, verified=False)
        return actions.admit_by_passkey(way.user_id, way.mark, shown, **this_browser())

    return _shown(way, form, show)


def _shown(way, form, show):
    try:
        token = show()
    except Unauthorized as error:
        session.clear()
        return see_other("/login", error.message, "danger")
    except ChatError as error:
        if "code" not in form:
            form = CodeForm(formdata=None)
        add_error(form, error)
        return say_when(_second_page(way, form, error.status), error)
    take_over(token)
    left = codes_left(user_by_id(way.user_id))
    if left > FEW:
        return redirect(way.next, 303)
    return see_other(way.next, f"{_codes(left)} left. Make new ones in Settings, under Two-step sign-in.", "danger")


def _codes(left):
    return "You have no recovery codes" if not left else f"{left} recovery code{'' if left == 1 else 's'}"


def _second_page(way, form, status):
    user = user_by_id(way.user_id)
    return render_page(
        "accounts/second.html", status, form=form, person=present_person(user), has_app=totp_of(user) is not None,
        has_passkeys=bool(passkeys_of(user)) and passkeys.are_possible(),
    )  # fmt: skip


@bp.post("/login/cancel")
@open_to("anyone, to begin again with signing in")
def cancel():
    session.clear()
    return redirect("/login", 303)


@bp.get("/login/needed")
@signed_in_or_held_up
def needed(actor):
    """Whoever is signed in and needs a second factor since then is led to setting one up."""
    held_up, next = held_up_session(), return_path(request.args.get("next"))
    if held_up is None:
        return redirect(next, 303)
    if not is_confirmed(held_up):  # an open laptop should not be enough to bind somebody's account to another phone
        return redirect(url_for("factors.confirm", next=url_for("factors.needed", next=next)), 303)
    return let_in(Admitted(actor.id, mark_of(actor), None, SET_UP), next=next)


@bp.route("/login/set-up", methods=["GET", "POST"])
@waiting(SET_UP)
def set_up(way):
    """For those who are let in only with a second factor and have none: an app here, or a passkey below."""
    form = CodeForm()
    if not form.validate_on_submit():
        return _set_up_page(way, form, NewPasskeyForm(formdata=None), 422 if form.is_submitted() else 200)
    secret = _candidate(way.nonce)
    return _set_up(
        way, form,
        lambda: actions.admit_with_new_app(way.user_id, way.mark, secret, form.code.data, **this_browser()),
    )  # fmt: skip


@bp.post("/login/set-up/passkey")
@waiting(SET_UP)
def set_up_passkey(way):
    form = NewPasskeyForm()

    def make():
        challenge, answer = take_challenge(f"register:{way.nonce}"), form.credential.data
        return actions.admit_with_new_passkey(
            way.user_id, way.mark, answer, challenge, name=form.name.data, **this_browser()
        )

    return _set_up(way, form, make)


def _set_up(way, form, make):
    try:
        token, codes = make()
    except Unauthorized as error:
        session.clear()
        return see_other("/login", error.message, "danger")
    except ChatError as error:
        add_error(form, error)
        forms = (form, NewPasskeyForm(formdata=None)) if "code" in form else (CodeForm(formdata=None), form)
        return say_when(_set_up_page(way, *forms, error.status), error)
    take_over(token)
    return _codes_page(codes, way.next) if codes else redirect(way.next, 303)


def _set_up_page(way, form, new_passkey, status):
    user = user_by_id(way.user_id)
    return render_page(
        "accounts/set_up.html", status, form=form, new_passkey=new_passkey, person=present_person(user),
        possible=passkeys.are_possible(), **_shown_secret(user, _candidate(way.nonce)),
    )  # fmt: skip


@bp.post("/login/passkey")
@open_to("whoever has a passkey, to sign in with it alone")
def sign_in_by_passkey():
    form = PasskeyForm()
    limiter.take("sign_in_address", this_network())
    try:
        challenge = take_challenge("sign in")
        shown = actions.check_passkey(form.credential.data, challenge, verified=True)
        token = actions.admit_by_passkey_alone(shown, **this_browser())
    except ChatError as error:
        return see_other("/login", error.message, "danger")
    limiter.give_back("sign_in_address", this_network())
    take_over(token)
    return redirect(return_path(form.next.data), 303)


# What a browser is asked to do with a passkey. Each answer is good for one purpose, in this browser, for five minutes.


@bp.post("/passkeys/challenge/sign-in")
@open_to("anyone; it names nobody's passkeys")
def challenge_to_sign_in():
    return _json(passkeys.ask_for_known([], purpose="sign in", verified=True))


@bp.post("/passkeys/challenge/second")
@waiting(SHOW)
def challenge_of_second(way):
    known = passkeys_of(user_by_id(way.user_id))
    return _json(passkeys.ask_for_known(known, purpose=f"second:{way.nonce}", verified=False))


@bp.post("/passkeys/challenge/set-up")
@waiting(SET_UP)
def challenge_to_set_up(way):
    return _json(passkeys.ask_for_new(user_by_id(way.user_id), [], purpose=f"register:{way.nonce}"))


@bp.post("/passkeys/challenge/confirm")
@signed_in
def challenge_to_confirm(actor):
    known = passkeys_of(actor)
    return _json(passkeys.ask_for_known(known, purpose=f"confirm:{g.session.id}", verified=True))


@bp.post("/passkeys/challenge/register")
@signed_in
@confirmed
def challenge_to_register(actor):
    authorize(can_change_factors(actor))
    return _json(passkeys.ask_for_new(actor, passkeys_of(actor), purpose=f"register:{g.session.id}"))


def _json(text):
    return Response(text, mimetype="application/json")


# Settings


@bp.get("/settings/second-factor")
@signed_in
@confirmed
def factors(actor):
    return _factors_page(actor, NewPasskeyForm(), 200)


def _factors_page(actor, form, status):
    return render_page(
        "accounts/second_factor.html", status, form=form, factors=present_factors(actor),
        possible=passkeys.are_possible(), may_remove_last=bool(can_remove_last_factor(actor)),
    )  # fmt: skip


@bp.route("/settings/second-factor/app", methods=["GET", "POST"])
@signed_in
@confirmed
def app(actor):
    authorize(can_change_factors(actor))
    form, status = CodeForm(), 200
    secret = _candidate(g.session.id)
    if form.validate_on_submit():
        try:
            codes = actions.set_up_totp(actor, secret, form.code.data, session=g.session)
            session.pop(CANDIDATE, None)
            return _codes_page(codes, HOME) if codes else see_other(HOME, "Your authenticator app is set up.")
        except ChatError as error:
            add_error(form, error)
            status = error.status
    elif form.is_submitted():
        status = 422
    replaces = totp_of(actor) is not None
    return render_page("accounts/app.html", status, form=form, replaces=replaces, **_shown_secret(actor, secret))


def _candidate(owner):
    """The secret that is being set up in this browser, by this session or on this way in: a new one, if there is none.
    It is kept here and not in a row, so that one that was looked at and left does not replace the one that works."""
    kept = session.get(CANDIDATE)
    if isinstance(kept, dict) and kept.get("of") == owner:
        try:
            return unseal(kept["sealed"], f"new {owner}")
        except Unreadable:
            pass
    secret = totp.new_secret()
    session[CANDIDATE] = {"of": owner, "sealed": seal(secret, f"new {owner}")}
    return secret


def _shown_secret(user, secret):
    address = totp.address_of(secret, person=user.username, community=the_site().name)
    return {"qr": totp.picture_of(address), "address": address, "secret": totp.in_groups(secret)}


@bp.post("/settings/second-factor/app/remove")
@signed_in
@confirmed
def remove_app(actor):
    try:
        actions.remove_totp(actor, session=g.session)
    except Forbidden as error:
        return see_other(HOME, error.message, "danger")
    return see_other(HOME, "Your authenticator app is no longer asked for.")


@bp.post("/settings/second-factor/codes")
@signed_in
@confirmed
@limited("change")
def new_codes(actor):
    return _codes_page(actions.make_recovery_codes(actor), HOME)


def _codes_page(codes, next):
    return render_page("accounts/recovery_codes.html", codes=codes, next=next)


@bp.post("/settings/passkeys")
@signed_in
@confirmed
@limited("change")
def add_passkey(actor):
    form = NewPasskeyForm()
    try:
        challenge, answer = take_challenge(f"register:{g.session.id}"), form.credential.data
        codes = actions.register_passkey(actor, answer, challenge, name=form.name.data, session=g.session)
    except ChatError as error:
        add_error(form, error)
        return say_when(_factors_page(actor, form, error.status), error)
    return _codes_page(codes, HOME) if codes else see_other(HOME, "The passkey is ready.")


@bp.post("/settings/passkeys/<int:id>/rename")
@signed_in
@confirmed
@limited("change")
def rename_passkey(actor, id):
    form = PasskeyNameForm()
    try:
        actions.rename_passkey(actor, passkey_for(actor, id), form.name.data)
    except Invalid as error:
        return see_other(HOME, error.message, "danger")
    return see_other(HOME, "Saved.")


@bp.post("/settings/passkeys/<int:id>/remove")
@signed_in
@confirmed
def remove_passkey(actor, id):
    try:
        actions.remove_passkey(actor, passkey_for(actor, id), session=g.session)
    except Forbidden as error:
        return see_other(HOME, error.message, "danger")
    return see_other(HOME, "That passkey no longer works here.")


# Confirming


@bp.route("/confirm", methods=["GET", "POST"])
@signed_in_or_held_up
def confirm(actor):
    form = ConfirmForm(next=request.args.get("next"))
    if not form.is_submitted():
        return _confirm_page(actor, form, 200)
    return _confirmed(actor, form, lambda: _proof(actor, form))


def _proof(actor, form):
    if form.code.data:
        return actions.confirm_by_code(actor, session_here(), form.code.data)
    if form.password.data:
        return actions.confirm_by_password(actor, session_here(), form.password.data, address=request.remote_addr)
    raise Invalid("Give your password, or a code of your app.")


@bp.post("/confirm/passkey")
@signed_in
def confirm_by_passkey(actor):
    form = PasskeyForm()

    def prove():
        challenge = take_challenge(f"confirm:{g.session.id}")
        shown = actions.check_passkey(form.credential.data, challenge, user_id=actor.id, verified=True)
        return actions.confirm_by_passkey(actor, g.session, shown)

    return _confirmed(actor, form, prove)


def _confirmed(actor, form, prove):
    try:
        token = prove()
    except ChatError as error:
        if "password" not in form:
            form = ConfirmForm(formdata=None, next=form.next.data)
        add_error(form, error)
        return say_when(_confirm_page(actor, form, error.status), error)
    keep_token(token)
    return redirect(return_path(form.next.data), 303)


def _confirm_page(actor, form, status):
    return render_page(
        "accounts/prove.html", status, form=form, person=present_person(actor), back=return_path(form.next.data),
        has_password=bool(actor.password_hash), has_app=totp_of(actor) is not None,
        is_held_up=held_up_session() is not None,
        has_passkeys=bool(passkeys_of(actor)) and passkeys.are_possible(),
    )  # fmt: skip


# Having forgotten the password


@bp.route("/recover", methods=["GET", "POST"])
@open_to("whoever has a recovery code, to set a new password; the answer is the same for every name")
def recover():
    form, status = RecoverForm(), 200
    if form.validate_on_submit():
        fields = {"code": form.code.data or "", "new": form.new.data, "address": request.remote_addr}
        try:
            actions.recover(form.login.data, form.recovery_code.data, **fields)
            return see_other("/login", "Your new password is set. Sign in with it.")
        except ChatError as error:
            add_error(form, error)
            return say_when(render_page("accounts/recover.html", error.status, form=form), error)
    elif form.is_submitted():
        status = 422
    return render_page("accounts/recover.html", status, form=form)


# Helping somebody


@bp.post("/people/<username>/reset-second-factors")
@signed_in
@confirmed
@limited("change")
def reset_second_factors(actor, username):
    user = person_for(actor, username)
    actions.reset_second_factors(actor, user)
    return see_other(user.path, "Their second factors are gone, and they are signed out everywhere.")
