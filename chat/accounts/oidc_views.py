"""The way to an identity provider and back. No rules here: see actions/providers.py."""

import secrets

from flask import Blueprint, g, redirect, request, session

from chat.accounts import actions
from chat.accounts.coming_in import let_in
from chat.accounts.confirmed import confirmed
from chat.accounts.forms import ConfirmIdentityForm, SignInForm
from chat.accounts.oidc.providers import provider_called, providers
from chat.accounts.queries import invite_by_code, open_link, own_identity
from chat.accounts.return_path import return_path
from chat.accounts.signed_in import find_session, signed_in, this_browser
from chat.accounts.views import sign_in_page
from chat.core.errors import ChatError, Invalid
from chat.core.policies import open_to
from chat.core.rate_limit import limited
from chat.core.web import add_error, render_page, say_when, see_other

bp = Blueprint("oidc", __name__)

SECURITY = "/settings/security"


# Coming in


@bp.post("/login/with/<key>")
@open_to("anyone, to sign in through a provider that is set up")
def begin(key):
    provider, next_path = provider_called(key), return_path(request.form.get("next"))
    invite_code = request.form.get("invite") or None
    if invite_code:
        actions.refuse_unusable(invite_by_code(invite_code))
    try:
        return _on_the_way(provider, next_path=next_path, invite_code=invite_code)
    except ChatError as error:
        return _refused(error, next_path)


def _on_the_way(provider, **options):
    """A page that goes on by itself. A redirect would not do: `form-action` of our policy lets forms end here alone."""
    url = actions.begin_flow(provider, _browser_secret(), address=request.remote_addr, **options)
    return render_page("accounts/on_the_way.html", provider=provider, url=url)


def _browser_secret():
    """What only this browser has; its Flask session ends with every sign-in, and this with it."""
    return session.setdefault("browser", secrets.token_urlsafe(32))


@bp.get("/login/with/<key>/callback")
@open_to("whoever comes back from a provider that this browser was sent to")
def callback(key):
    provider, answer = provider_called(key), request.args
    flow = None
    try:
        flow = actions.end_flow(provider, answer.get("state", ""), session.get("browser", ""))
        came = {name: answer.get(name) for name in ("code", "iss", "error")}
        claimed = actions.who_came(provider, flow, **came)
        if flow.session_id:
            return _connected(provider, flow, claimed)
        arrival = actions.come_in(claimed, invite_code=flow.invite_code, **this_browser())
    except ChatError as error:
        if flow and flow.session_id:
            return see_other(SECURITY, error.message, "danger")
        return _refused(error, flow.next_path if flow else "/")
    if arrival.question:
        session["link"], session["next"] = arrival.question, flow.next_path
        return redirect("/login/confirm", 303)
    return let_in(arrival.admitted, next=flow.next_path)


def _connected(provider, flow, claimed):
    present = find_session()
    if present is None or present.id != flow.session_id:  # somebody else signed in here meanwhile
        raise Invalid("You are signed in as somebody else than when you began. Begin again.")
    actions.connect_identity(present.user, claimed)
    return see_other(SECURITY, f"{provider.name} signs you in from now on.")


def _refused(error, next_path):
    form = SignInForm(formdata=None, next=None if next_path == "/" else next_path)
    form.form_errors.append(error.message)
    return say_when(sign_in_page(form, error.status), error)


@bp.route("/login/confirm", methods=["GET", "POST"])
@open_to("whoever a provider vouched for, and who has yet to prove that the account with this address is theirs")
def confirm():
    link = open_link(session.get("link", ""), actions.LINK)
    if link is None:
        return redirect("/login", 303)
    form, next_path = ConfirmIdentityForm(), return_path(session.get("next"))
    shown = {"email": link.user.email, "provider": providers().get(link.data["provider"])}
    if not form.validate_on_submit():
        status = 422 if form.is_submitted() else 200
        return render_page("accounts/confirm_identity.html", status, form=form, **shown)
    try:
        admitted = actions.confirm_identity(session["link"], form.password.data, **this_browser())
    except ChatError as error:
        add_error(form, error)
        return say_when(render_page("accounts/confirm_identity.html", error.status, form=form, **shown), error)
    return let_in(admitted, next=next_path)


# Connecting and disconnecting


@bp.post("/settings/security/connect/<key>")
@signed_in
@confirmed
@limited("change")
def connect(actor, key):
    try:
        return _on_the_way(provider_called(key), next_path=SECURITY, session=g.session)
    except ChatError as error:
        return see_other(SECURITY, error.message, "danger")


@bp.post("/settings/security/identities/<int:id>/remove")
@signed_in
@confirmed
@limited("change")
def disconnect(actor, id):
    try:
        actions.disconnect_identity(actor, own_identity(actor, id))
    except ChatError as error:
        return see_other(SECURITY, error.message, "danger")
    return see_other(SECURITY, "It no longer signs you in.")
