"""The first pane of every page, for whoever asks, and the front page that it is most of."""

from flask import Blueprint, request
from flask_login import current_user

from chat.accounts.signed_in import signed_in
from chat.core.web import render_page
from chat.messages.presenter import present_sidebar

bp = Blueprint("front", __name__)


def sidebar_of_this_page():
    """The SidebarView of the person asking, or None."""
    if not current_user.is_authenticated:
        return None
    return present_sidebar(current_user._get_current_object(), (request.view_args or {}).get("room_id"))


@bp.get("/")
@signed_in
def index(actor):
    sidebar = present_sidebar(actor)
    return render_page(
        "rooms/index.html", unread_total=sidebar.unread_total, mentions_total=sidebar.mentions_total, sidebar=sidebar
    )
