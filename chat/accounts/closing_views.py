"""Closing accounts, opening them again, erasing people."""

from flask import Blueprint, request

from chat.accounts import actions
from chat.accounts.confirmed import confirmed, confirmed_without_password
from chat.accounts.forms import CloseForm, EraseForm, asking_password
from chat.accounts.policy import can_to
from chat.accounts.presenter import present_page
from chat.accounts.queries import person_for
from chat.accounts.signed_in import drop_token, signed_in
from chat.core.authorize import authorize
from chat.core.errors import ChatError, Conflict, Invalid
from chat.core.rate_limit import limited
from chat.core.web import add_error, render_page, say_when, see_other

bp = Blueprint("closing", __name__)

# What later nouns add to the page that erases: name in the template → function(actor, user).
on_erase_page = {}


@bp.route("/settings/close", methods=["GET", "POST"])
@signed_in
@confirmed_without_password
def close_own(actor):
    form = asking_password(CloseForm(), actor)
    if form.validate_on_submit():
        try:
            actions.close_own_account(actor, password=form.password and form.password.data, address=request.remote_addr)
        except ChatError as error:
            add_error(form, error)
            return say_when(render_page("accounts/close.html", error.status, form=form), error)
        drop_token()
        return see_other("/login", "Your account is closed.")
    return render_page("accounts/close.html", 422 if form.is_submitted() else 200, form=form)


@bp.post("/people/<username>/close")
@signed_in
@confirmed
@limited("change")
def close(actor, username):
    user = person_for(actor, username)
    actions.deactivate(actor, user)
    return see_other(user.path, f"{user.name}'s account is closed.")


@bp.post("/people/<username>/open")
@signed_in
@limited("change")
def open_again(actor, username):
    user = person_for(actor, username)
    actions.reactivate(actor, user)
    return see_other(user.path, f"{user.name}'s account is open again.")


@bp.route("/people/<username>/erase", methods=["GET", "POST"])
@signed_in
@confirmed
@limited("change")
def erase(actor, username):
    user, form, status = person_for(actor, username), EraseForm(), 200
    authorize(can_to(actor, "erase", user))
    if form.validate_on_submit():
        try:
            actions.erase(actor, user, confirmation=form.confirmation.data, empty=form.messages.data == "empty")
            return see_other(user.path, "This person is erased.")
        except (Conflict, Invalid) as error:
            add_error(form, error)
            status = error.status
    elif form.is_submitted():
        status = 422
    more = {name: make(actor, user) for name, make in on_erase_page.items()}
    return render_page("accounts/erase.html", status, form=form, person=present_page(user), **more)
