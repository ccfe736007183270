"""Pages that links lead to: a new password, and another device."""

import segno
from flask import Blueprint, redirect, request, session
from flask_login import current_user
from markupsafe import Markup

from chat.accounts import actions
from chat.accounts.actions.email import PURPOSE as EMAIL
from chat.accounts.actions.links import usable_link
from chat.accounts.actions.move import PURPOSE, move_url, open_move, state_of_move
from chat.accounts.confirmed import confirmed, confirmed_without_password
from chat.accounts.forms import EmailForm, ForgotForm, ResetForm, asking_password
from chat.accounts.presenter import present_move, present_person, zone_of
from chat.accounts.queries import person_for, token_hash
from chat.accounts.signed_in import find_session, keep_token, session_here, signed_in, this_browser
from chat.core import mail
from chat.core.errors import ChatError, Conflict, NotFound
from chat.core.policies import open_to
from chat.core.rate_limit import limited
from chat.core.web import add_error, render_page, say_when, see_other

bp = Blueprint("links", __name__)


# A new password


@bp.route("/forgot", methods=["GET", "POST"])
@open_to("anyone, to have a link sent to an address; the answer is the same for every address")
def forgot():
    form, status = ForgotForm(), 200
    if form.validate_on_submit():
        try:
            actions.ask_for_reset(form.email.data, address=request.remote_addr)
            return redirect("/forgot?sent=1", 303)
        except NotFound:
            raise
        except ChatError as error:
            add_error(form, error)
            return say_when(_forgot_page(form, error.status), error)
    elif form.is_submitted():
        status = 422
    return _forgot_page(form, status)


def _forgot_page(form, status):
    return render_page("accounts/forgot.html", status, form=form, mail=mail.is_on(), sent="sent" in request.args)


@bp.route("/reset/<secret>", methods=["GET", "POST"])
@open_to("whoever has a link for a new password that works")
def reset(secret):
    user, form = usable_link(secret, "reset").user, ResetForm()
    status = 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            actions.reset_password(secret, form.new.data)
            return see_other("/login", "Your new password is set. Sign in with it.")
        except NotFound:  # used a moment ago
            raise
        except ChatError as error:
            add_error(form, error)
            status = error.status
            user = usable_link(secret, "reset").user
    return render_page("accounts/reset.html", status, form=form, person=present_person(user))


@bp.post("/people/<username>/sign-in-link")
@signed_in
@confirmed
@limited("change")
def help_sign_in(actor, username):
    user = person_for(actor, username)
    url = actions.make_reset_link(actor, user)
    return render_page("accounts/sign_in_link.html", person=present_person(user), url=url)


# Another e-mail address


@bp.route("/settings/email", methods=["GET", "POST"])
@signed_in
@confirmed_without_password
def change_email(actor):
    form = asking_password(EmailForm(), actor)
    if form.validate_on_submit():
        try:
            fields = {"password": form.password and form.password.data, "address": request.remote_addr}
            used = actions.change_email(actor, form.email.data, **fields)
            words = "That is your address now." if used else "Open the link that is on its way to the new address."
            return see_other("/settings/profile", words)
        except ChatError as error:
            add_error(form, error)
            return say_when(_email_page(actor, form, error.status), error)
    return _email_page(actor, form, 422 if form.is_submitted() else 200)


def _email_page(actor, form, status):
    return render_page("accounts/email.html", status, form=form, email=actor.email, mail=mail.is_on())


@bp.route("/confirm/<secret>", methods=["GET", "POST"])
@open_to("whoever has the link that was sent to a new address")
def confirm_email(secret):
    link = usable_link(secret, EMAIL)
    if request.method == "GET":
        return render_page("accounts/confirm.html", person=present_person(link.user), email=link.data["email"])
    actions.confirm_email(secret)
    return see_other("/settings/profile", "That is your address now.")


# Another device: the first one


@bp.get("/settings/move")
@signed_in
def move(actor):
    link, secret = open_move(actor), session.get("move", "")
    shown = link is not None and token_hash(secret) == link.secret_hash
    url = move_url(secret) if shown else None
    view = link and present_move(link, url=url, zone=zone_of(actor))
    return render_page("accounts/move.html", move=view, code=drawn(url) if url else None)


@bp.post("/settings/move")
@signed_in
@confirmed
@limited("change")
def begin_move(actor):
    session["move"] = actions.begin_move(actor, find_session())
    return redirect("/settings/move", 303)


@bp.post("/settings/move/answer")
@signed_in
@limited("change")
def answer_move(actor):
    accept = request.form.get("answer") == "yes"
    try:
        actions.answer_move(actor, request.form.get("asker", ""), accept=accept)
    except Conflict as error:
        return see_other("/settings/move", error.message, "danger")
    return see_other("/settings/move", "Go on at the other device." if accept else "Nobody was let in.")


def drawn(url):
    """A QR code as SVG: attributes alone, as our policy allows no style, and dark on light in both themes."""
    code = segno.make(url, error="m", micro=False)
    return Markup(code.svg_inline(svgclass=None, lineclass=None, omitsize=True, dark="#000", light="#fff"))  # noqa: S704


# Another device: the other one


@bp.route("/move/<secret>", methods=["GET", "POST"])
@open_to("whoever has a link to another device that works; the first device decides")
def arrive(secret):
    link = usable_link(secret, PURPOSE)
    if request.method == "POST":
        try:
            session["move_pass"] = actions.ask_to_move(secret, **this_browser())
        except Conflict as error:
            raise NotFound(error.message) from None
        return redirect(f"/move/{secret}", 303)
    state = state_of_move(link, session.get("move_pass"))
    here = current_user.name if current_user.is_authenticated else None
    return render_page("accounts/arrive.html", person=present_person(link.user), state=state, secret=secret, here=here)


@bp.post("/move/<secret>/begin")
@open_to("the device that the first one said yes to")
def arrived(secret):
    try:
        token = actions.finish_move(secret, session.get("move_pass"), **this_browser())
    except Conflict as error:
        return see_other(f"/move/{secret}", error.message, "danger")
    if present := session_here():
        actions.end_session(present.user, present)
    keep_token(token)
    return redirect("/", 303)
