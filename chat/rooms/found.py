"""The first visit: /setup founds the community, its owner and its first room."""

from flask import Blueprint, redirect, request

from chat.accounts.actions.sign_up import prepare_account
from chat.accounts.coming_in import come_in
from chat.accounts.forms import SetupForm
from chat.core.errors import ChatError, Conflict
from chat.core.policies import open_to
from chat.core.web import add_error, render_page, see_other
from chat.rooms.actions import found_community
from chat.site.queries import the_site

bp = Blueprint("site", __name__)


@bp.route("/setup", methods=["GET", "POST"])
@open_to("whoever comes first, until a community is founded")
def setup():
    if the_site() is not None:
        return redirect("/login", 303)
    form = SetupForm()
    if form.validate_on_submit():
        try:
            owner = _found(form)
        except Conflict as error:
            if error.field is None:  # somebody was faster
                return see_other("/login", error.message, "danger")
            add_error(form, error)
        except ChatError as error:
            add_error(form, error)
        else:
            return come_in(owner)
    return render_page("site/setup.html", 422 if form.is_submitted() else 200, form=form)


def _found(form):
    account = {"name": form.owner.data, "username": form.username.data, "email": form.email.data}
    try:
        password_hash = prepare_account(
            **account, password=form.password.data, address=request.remote_addr, community=form.name.data
        )
    except ChatError as error:
        if error.field == "name":  # on this page `name` is the community's
            error.field = "owner"
        raise
    return found_community(form.name.data, **account, password_hash=password_hash, hue=form.hue.data)
