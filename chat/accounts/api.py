"""People, and tokens for programs, below /api/v1."""

from flask import g

from chat.accounts import actions, jwt
from chat.accounts.actions.confirm import is_confirmed
from chat.accounts.asking import asked, by_cookie, open_to_programs
from chat.accounts.confirmed import NEEDED
from chat.accounts.presenter import present_as_json
from chat.accounts.queries import people_page, person_for
from chat.accounts.schemas import (
    MeAnswer,
    Nothing,
    Page,
    Pair,
    PeopleAnswer,
    PersonAnswer,
    RevokeRequest,
    TokenRequest,
)
from chat.accounts.scopes import listed
from chat.accounts.signed_in import this_browser
from chat.core.errors import Forbidden, Invalid
from chat.core.rest import Resource, answer

bp = Resource("people", __name__, description="Who is here.")
tokens = Resource("tokens", __name__, description="Ways in for programs.")


@bp.get("/me")
@asked("read")
@bp.response(200, MeAnswer)
def me(actor):
    """Who you are here

    And what the token that you ask with may do.
    """
    own = {"email": actor.email, "time_zone": actor.time_zone, "scopes": listed(g.asking.scopes)}
    return answer(person=present_as_json(actor) | own)


@bp.get("/people")
@asked("read")
@bp.arguments(Page, location="query")
@bp.response(200, PeopleAnswer)
def people(actor, page):
    """Everybody you may know of, by id"""
    found = people_page(actor, after=page["after"], limit=page["limit"] + 1)
    shown = found[: page["limit"]]
    more = shown[-1].id if len(found) > len(shown) else None
    return answer(people=[present_as_json(user) for user in shown], next=more)


@bp.get("/people/<username>")
@asked("read")
@bp.response(200, PersonAnswer)
def person(actor, username):
    """One person, by their user name"""
    return answer(person=present_as_json(person_for(actor, username)))


NEEDS = {"password": ["login", "password"], "refresh_token": ["refresh_token"]}  # grant: what comes with it
BY_GRANT = [
    {"if": {"properties": {"grant": {"const": grant}}}, "then": {"required": needed}} for grant, needed in NEEDS.items()
]


@tokens.post("/token", refuses=(401, 403))
@open_to_programs("whoever proves who they are, by one of the grants")
@tokens.arguments(TokenRequest)
@tokens.response(200, Pair)
@tokens.doc(requestBody={"content": {"application/json": {"schema": {"allOf": [TokenRequest, *BY_GRANT]}}}})
def token(form):
    """Get an access token and a refresh token

    The access token is good for ten minutes. Exchange the refresh token for the next pair before, or after; each is
    good for one exchange. One that comes a second time was stolen: all that came from the first sign-in ends.
    """
    given = {name: form[name] for name in ("name", "scopes") if name in form} | this_browser()
    grant = form["grant"]
    for name in NEEDS.get(grant, ()):
        if name not in form:
            raise Invalid(f"{name} is missing; the grant {grant} needs it.", field=name)
    if grant == "password":
        pair = actions.pair_for_password(form["login"], form["password"], code=form.get("code", ""), **given)
    elif grant == "refresh_token":
        pair = actions.renew(form["refresh_token"])
    else:
        session, _ = by_cookie()
        if not is_confirmed(session):
            raise Forbidden(NEEDED)
        pair = actions.pair_for_session(session.user, session, **given)
    return answer(
        access_token=pair.access_token, token_type=jwt.SENT_AS, expires_in=jwt.LIFETIME_SECONDS,
        refresh_token=pair.refresh_token, scopes=listed(pair.session.scopes),
    )  # fmt: skip


@tokens.post("/token/revoke", refuses=(403,))
@open_to_programs("whoever holds the token")
@tokens.arguments(RevokeRequest)
@tokens.response(200, Nothing)
def revoke(form):
    """End a token

    And all that stands on the same sign-in, connections included. A token that is not known is as you want it to be.
    """
    actions.revoke_value(form["token"])
    return answer()
