"""What the API takes and gives about people and tokens."""

import marshmallow as ma

from chat.accounts.actions.tokens import GRANTS
from chat.accounts.jwt import SENT_AS
from chat.accounts.policy import ROLES
from chat.accounts.scopes import SCOPES
from chat.core.rest import Exact, Whole, answers
from chat.site.names import NAME_LENGTH


def string(description, **more):
    return ma.fields.String(required=True, metadata={"description": description}, **more)


def identity(description="the id"):
    return Whole(required=True, metadata={"description": description, "minimum": 1})


def optional(description, **more):
    return ma.fields.String(required=True, allow_none=True, metadata={"description": description}, **more)


def whole(low, high, **more):
    """A whole number in the address."""
    return ma.fields.Integer(validate=ma.validate.Range(low, high), **more)


class Author(Exact):
    """Somebody, as they show beside what they say."""

    id = identity()
    name = string("as shown; any script")
    avatar_url = optional("the path of the picture; null: there is none")
    bot = ma.fields.Boolean(required=True)
    v = ma.fields.Integer(required=True, metadata={"description": "how new this is, in the stream `site`"})


class Person(Author):
    """Somebody, as they show in the list of people."""

    username = string("what @mentions say")
    role = string("what they are here", validate=ma.validate.OneOf(ROLES))
    presence = string("whether they are here", validate=ma.validate.OneOf(["online", "away", "offline"]))
    bio = string("what they say about themselves")


class Me(Person):
    email = string("yours; others do not see it here")
    time_zone = string("a name such as Europe/Berlin")
    scopes = ma.fields.List(ma.fields.String(validate=ma.validate.OneOf(list(SCOPES))), required=True)


PersonAnswer = answers("PersonAnswer", person=ma.fields.Nested(Person, required=True))
MeAnswer = answers("MeAnswer", person=ma.fields.Nested(Me, required=True))
PeopleAnswer = answers(
    "PeopleAnswer",
    people=ma.fields.List(ma.fields.Nested(Person), required=True),
    next=ma.fields.Integer(
        required=True, allow_none=True, metadata={"description": "`after` of the next page; null: this is the last"}
    ),
)


class Page(Exact):
    """A page of a list that is ordered by id."""

    after = whole(0, 2**31 - 1, load_default=0, metadata={"description": "the `next` of the page before"})
    limit = whole(1, 200, load_default=100)


class TokenRequest(Exact):
    """What a program proves itself with, by `grant`: `password` with `login` and `password`, and `code` where there is
    a second factor; `session`, with the cookie of a browser where you are signed in; `refresh_token`."""

    grant = ma.fields.String(required=True, validate=ma.validate.OneOf(GRANTS))
    login = ma.fields.String(validate=ma.validate.Length(1, 254), metadata={"description": "e-mail or user name"})
    password = ma.fields.String(validate=ma.validate.Length(1, 1024))
    code = ma.fields.String(validate=ma.validate.Length(1, 64), metadata={"description": "of a second factor"})
    refresh_token = ma.fields.String(validate=ma.validate.Length(1, 200))
    name = ma.fields.String(
        validate=ma.validate.Length(0, NAME_LENGTH),
        metadata={"description": "what the program is called in your settings"},
    )
    scopes = ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf(list(SCOPES))),
        validate=ma.validate.Length(1, 10),
        metadata={"description": "what it may do; left out: all that you may"},
    )


class Pair(Exact):
    ok = ma.fields.Boolean(required=True, validate=ma.validate.OneOf([True]))
    access_token = string("a JSON Web Token for the header `Authorization: Bearer …`")
    token_type = string("how it is sent", validate=ma.validate.OneOf([SENT_AS]))
    expires_in = ma.fields.Integer(required=True, metadata={"description": "seconds"})
    refresh_token = string("for the next pair, once")
    scopes = ma.fields.List(ma.fields.String(), required=True)


class RevokeRequest(Exact):
    token = string("a token, an access token or a refresh token", validate=ma.validate.Length(1, 2048))


Nothing = answers("Nothing")
