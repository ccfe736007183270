"""Which people, which sessions, which invites."""

from datetime import timedelta

from sqlalchemy import and_, bindparam, func, not_, or_, select
from sqlalchemy.orm import aliased, contains_eager, joinedload

from chat.accounts import credentials
from chat.accounts.circle import is_in_circle_of
from chat.accounts.credentials import TOKEN, token_hash
from chat.accounts.devices import name_of_device
from chat.accounts.models import (
    Block,
    Identity,
    Invite,
    InviteUse,
    Link,
    Passkey,
    ProviderFlow,
    RecoveryCode,
    RefreshToken,
    Session,
    Totp,
    User,
)
from chat.accounts.names import login_name
from chat.accounts.policy import NEED_FACTOR, can_see_all_invites, can_see_invite, can_see_people
from chat.core.authorize import authorize
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import NotFound
from chat.core.ledger import read
from chat.core.paging import has_words, page_of, stands_after
from chat.core.prepared import Prepared
from chat.core.rate_limit import network_of
from chat.site.models import Site
from chat.streams.log import ACCESS
from chat.streams.models import Stream

IDLE = timedelta(days=14)
PAGE = 100
BY_NAME = (func.lower(User.name), User.id)


def _is_live(moment, idle_since):
    """Tokens that people made are for programs that may sleep for long: these end when they were meant to."""
    in_use = or_(Session.kind == TOKEN, Session.seen_at > idle_since)
    return (Session.revoked_at.is_(None), Session.expires_at > moment, in_use)


def _may_come_in(moment):
    """Nobody whose account is closed, nor whoever is suspended: the only place that says so."""
    return (User.deactivated_at.is_(None), or_(User.suspended_until.is_(None), User.suspended_until <= moment))


def _has_factor():
    app = select(Totp.user_id).where(Totp.user_id == User.id, Totp.confirmed_at.is_not(None))
    return or_(app.exists(), select(Passkey.id).where(Passkey.user_id == User.id).exists())


def _needs_factor_if(lowest):
    """Who needs a second factor where the setting says `lowest`. As ORs: an IN would be slower, see Prepared."""
    return or_(*(and_(lowest == value, User.role == role) for value, roles in NEED_FACTOR.items() for role in roles))


def is_held_up():
    """The condition that a User needs a second factor and has none. Their sessions are kept, and open nothing but the
    way to setting one up: for every entry point that is said here, in the query that finds the session anyway. So it
    holds from the commit of the setting, or of the role."""
    site = aliased(Site)
    needs = select(site.id).where(_needs_factor_if(site.settings["second_factor"].as_string()))
    return and_(needs.exists(), not_(_has_factor()))


_HELD_UP = is_held_up()


def held_up_if(lowest):
    """The ids of those who would be held up if the setting `second_factor` said this."""
    needs = or_(False, *(User.role == role for role in NEED_FACTOR.get(lowest, ())))
    return db.session.scalars(select(User.id).where(needs, User.deactivated_at.is_(None), not_(_has_factor()))).all()


def live_session(credential):
    """The Session of this cookie or token with its user, or None when it is none of ours, was revoked, ran out, was
    idle too long, or its person may no longer come in. Its `is_held_up` says whether it opens nothing until they have
    set up a second factor. One query."""
    named, moment = credentials.read(credential), now()
    if named is None:
        return None
    query = (
        select(Session, _HELD_UP)
        .join(Session.user)
        .options(contains_eager(Session.user))
        .where(Session.token_hash == named.token_hash, Session.kind == named.kind)
        .where(*_is_live(moment, moment - IDLE), *_may_come_in(moment))
    )
    if named.epoch is not None:
        query = query.join(Site, Site.epoch == named.epoch)
    row = db.session.execute(query).first()
    if row is None:
        return None
    session, session.is_held_up = row
    return session


def sessions_of(user, *kinds):
    """Where a person is signed in, the one used last first: browsers, programs and tokens, or these kinds of them."""
    moment = now()
    live = select(Session).where(Session.user_id == user.id, *_is_live(moment, moment - IDLE))
    if kinds:
        live = live.where(Session.kind.in_(kinds))
    return db.session.scalars(live.order_by(Session.seen_at.desc(), Session.id)).all()


def token_count(user):
    """How many tokens of their own making a person has that count."""
    return len(sessions_of(user, TOKEN))


def own_session(actor, session_id):
    """One of the actor's own sessions. Raises NotFound for anybody else's, as for none."""
    found = db.session.get(Session, session_id) if is_id(session_id) else None
    if found is None or found.user_id != actor.id:
        raise NotFound("There is no such session.")
    return found


def live_session_ids(ids):
    """Which of these sessions still open something. One query."""
    moment = now()
    return set(
        db.session.scalars(
            select(Session.id)
            .join(Session.user)
            .where(Session.id.in_(ids), *_is_live(moment, moment - IDLE), *_may_come_in(moment), not_(_HELD_UP))
        )
    )


_live = (
    select(
        Session.id,
        Session.user_id,
        Session.seen_at,
        Session.scopes,
        Session.expires_at,
        User.role,
        func.coalesce(select(Stream.head).where(Stream.name == ACCESS).scalar_subquery(), 0).label("access"),
    )
    .join(Session.user)
    .where(
        Session.token_hash == bindparam("token_hash"),
        Session.kind == bindparam("kind"),
        *_is_live(bindparam("moment"), bindparam("idle_since")),
        *_may_come_in(bindparam("moment")),
        not_(_HELD_UP),
    )
)
_LIVE, _LIVE_IN_EPOCH = Prepared(_live), Prepared(_live.join(Site, Site.epoch == bindparam("epoch")))


def live_session_row(credential, ask=read):
    """What `live_session` finds, unless it is held up: a row of id, user_id, seen_at, scopes, expires_at, the person's
    role, and the head of `access` at that moment: nothing up to there ended it. Without the session's objects; one
    query, put through `ask`."""
    named, moment = credentials.read(credential), now()
    if named is None:
        return None
    values = {"token_hash": named.token_hash, "kind": named.kind, "moment": moment, "idle_since": moment - IDLE}
    rows = ask(_LIVE, **values) if named.epoch is None else ask(_LIVE_IN_EPOCH, **values, epoch=named.epoch)
    return rows[0] if rows else None


def refresh_token(secret):
    """The RefreshToken of this value with its session, spent or not; None when there is none."""
    query = select(RefreshToken).where(RefreshToken.token_hash == token_hash(secret))
    return db.session.scalars(query.options(joinedload(RefreshToken.session))).first()


def is_live(session):
    """Whether a Session still opens something. One query."""
    return bool(live_session_ids([session.id]))


def is_id(value):
    return isinstance(value, int) and 0 < value < 2**31


def user_by_id(user_id):
    return db.session.get(User, user_id) if is_id(user_id) else None


def users_by_id(ids):
    """{id: User} for those who exist. One query for up to 500 of them."""
    ids, found = sorted(set(ids)), {}
    for start in range(0, len(ids), 500):
        found.update((u.id, u) for u in db.session.scalars(select(User).where(User.id.in_(ids[start : start + 500]))))
    return found


def user_by_login(login):
    """Who signs in with this e-mail address or user name, or None. User names have no @, addresses have one."""
    login = login_name(login)
    return user_by_email(login) if "@" in login else user_by_username(login)


def user_by_username(username):
    return db.session.scalars(select(User).where(User.username == username.replace("\0", "").lower())).first()


def user_by_email(email):
    return db.session.scalars(select(User).where(User.email == email)).first()


def person_for(actor, username):
    """The person, if `actor` may know of them. Raises NotFound otherwise, with the same sentence in both cases."""
    named = select(User).where(User.username == username.replace("\0", "").lower(), is_in_circle_of(actor))
    user = db.session.scalars(named).first() if can_see_people(actor) else None
    if user is None:
        raise NotFound("There is nobody here by that name.")
    return user


def people_for(actor, q="", *, after=None, limit=PAGE):
    """(people whom `actor` may know of, whether there are more), by name; with `q`, those whose name or user name
    contains it. `after`: the id of the last person on the page before."""
    authorize(can_see_people(actor))
    query = select(User).where(_is_known_and_has(actor, q)).order_by(*BY_NAME)
    if is_id(after):  # of a stranger, even the place in the alphabet is nobody's business
        last = db.session.execute(select(*BY_NAME).where(User.id == after, is_in_circle_of(actor))).first()
        query = query.where(stands_after(BY_NAME, last)) if last else query
    return page_of(query, limit)


def count_for(actor, q=""):
    """How many there are of the same."""
    return db.session.scalar(select(func.count()).select_from(User).where(_is_known_and_has(actor, q)))


def _is_known_and_has(actor, q):
    q, known = q.strip().removeprefix("@"), and_(User.deactivated_at.is_(None), is_in_circle_of(actor))
    return and_(known, named(q)) if q else known


def named(q):
    """A condition on User: whose name or user name contains `q`."""
    return or_(has_words(User.name, q), has_words(User.username, q))


def people_page(actor, *, after, limit):
    """Everyone whom `actor` may know of, by id, from the one after `after`. One query."""
    authorize(can_see_people(actor))
    known = select(User).where(User.deactivated_at.is_(None), is_in_circle_of(actor), User.id > after)
    return db.session.scalars(known.order_by(User.id).limit(limit)).all()


def everyone():
    """Every account, also deactivated ones, by user name: for whoever runs the server."""
    return db.session.scalars(select(User).order_by(User.username)).all()


def count_of_owners():
    """How many can still sign in as owners."""
    owners = select(func.count()).select_from(User).where(User.role == "owner", *_may_come_in(now()))
    return db.session.scalar(owners)


def blocks_of(user_id):
    """{id: "mute" or "block"} of the people whom somebody does not want to hear. One query."""
    found = db.session.execute(select(Block.blocked_id, Block.kind).where(Block.user_id == user_id))
    return dict(found.all())


def blocked_people(user_id):
    """[(User, kind)] of the same, by name."""
    found = select(User, Block.kind).join(Block, Block.blocked_id == User.id).where(Block.user_id == user_id)
    return db.session.execute(found.order_by(func.lower(User.name), User.id)).all()


def block_between(user_id, blocked_id):
    """The Block that the first keeps of the second, or None."""
    return db.session.get(Block, (user_id, blocked_id))


def people_shut_out(*, after=None, limit=PAGE):
    """(people who are suspended or banned, whether there are more), by name. `after`: the id of the last person on the
    page before."""
    query = select(User).where(or_(User.banned_at.is_not(None), User.suspended_until > now())).order_by(*BY_NAME)
    last = is_id(after) and db.session.execute(select(*BY_NAME).where(User.id == after)).first()
    return page_of(query.where(stands_after(BY_NAME, last)) if last else query, limit)


def people_count():
    return db.session.scalar(select(func.count()).select_from(User).where(User.deactivated_at.is_(None)))


def some_people(limit):
    """Those who were here first, for the page of an invitation."""
    return db.session.scalars(select(User).where(User.deactivated_at.is_(None)).order_by(User.id).limit(limit)).all()


def invite_by_code(code):
    """The Invite, whatever its state. Raises NotFound for a code that never was."""
    invite = db.session.scalars(
        select(Invite).where(Invite.code == code.replace("\0", "")).options(joinedload(Invite.created_by))
    ).first()
    if invite is None:
        raise NotFound("There is no such invite. Check the link, or ask for a new one.")
    return invite


def invite_for(actor, invite_id):
    """The Invite, if `actor` may know of it. Raises NotFound otherwise."""
    invite = db.session.get(Invite, invite_id) if is_id(invite_id) else None
    if invite is None or not can_see_invite(actor, invite):
        raise NotFound("There is no such invite.")
    return invite


def invites_for(actor, *, before=None, limit=PAGE):
    """(invites that `actor` may see, each with who made it; whether there are more), newest first. `before`: the id of
    the last one on the page before."""
    query = select(Invite).options(joinedload(Invite.created_by)).order_by(Invite.id.desc())
    if not can_see_all_invites(actor):
        query = query.where(Invite.created_by_id == actor.id)
    return page_of(query.where(Invite.id < before) if is_id(before) else query, limit)


def used_by(invites):
    """Who came by each of these invites, in order: {invite id: [User]}. One query."""
    uses = db.session.scalars(
        select(InviteUse)
        .where(InviteUse.invite_id.in_([invite.id for invite in invites]))
        .options(joinedload(InviteUse.user))
        .order_by(InviteUse.used_at)
    )
    found = {}
    for use in uses:
        found.setdefault(use.invite_id, []).append(use.user)
    return found


def link_by_secret(secret, purpose):
    """The Link of this secret that works now, with its person. Raises NotFound, in the same words for every reason."""
    link = open_link(secret, purpose)
    if link is None or link.user.deactivated_at:
        raise NotFound("This link works no longer, or never did. Ask for a new one.")
    return link


def open_link(secret, purpose):
    """The Link of this secret that has neither been used nor run out, whoever's it is, or None."""
    return db.session.scalars(
        select(Link)
        .where(Link.secret_hash == token_hash(secret), Link.purpose == purpose)
        .where(Link.used_at.is_(None), Link.expires_at > now())
        .options(joinedload(Link.user))
    ).first()


def open_links(user, *purposes):
    """The links of a person that have neither been used nor run out."""
    query = select(Link).where(Link.user_id == user.id, Link.used_at.is_(None), Link.expires_at > now())
    return db.session.scalars(query.where(Link.purpose.in_(purposes)) if purposes else query).all()


def was_seen(user, family, network):
    """(whether this person has been signed in before, whether on such a device in such a network)."""
    rows = db.session.execute(
        select(Session.user_agent, Session.address).where(Session.user_id == user.id, Session.kind == "browser")
    ).all()
    known = {(name_of_device(agent), network_of(address)) for agent, address in rows}
    return bool(rows), (family, network) in known


def open_invites_of(user):
    return db.session.scalars(select(Invite).where(Invite.created_by_id == user.id, Invite.revoked_at.is_(None))).all()


def totp_of(user):
    """The person's authenticator app, or None."""
    kept = db.session.get(Totp, user.id)
    return kept if kept and kept.confirmed_at else None


def passkeys_of(user):
    """The person's passkeys, the oldest first."""
    return db.session.scalars(select(Passkey).where(Passkey.user_id == user.id).order_by(Passkey.id)).all()


def passkey_by_credential(credential_id):
    return db.session.scalars(select(Passkey).where(Passkey.credential_id == credential_id.replace("\0", ""))).first()


def passkey_by_id(passkey_id):
    return db.session.get(Passkey, passkey_id)


def passkey_for(actor, passkey_id):
    """One of the actor's own passkeys. Raises NotFound for anybody else's, as for none."""
    found = db.session.get(Passkey, passkey_id) if is_id(passkey_id) else None
    if found is None or found.user_id != actor.id:
        raise NotFound("There is no such passkey.")
    return found


def has_second_factor(user):
    """Whether there is something the person can be asked for beside the password. One query."""
    app = select(Totp.user_id).where(Totp.user_id == user.id, Totp.confirmed_at.is_not(None))
    passkey = select(Passkey.id).where(Passkey.user_id == user.id)
    return bool(db.session.scalar(select(app.exists() | passkey.exists())))


def codes_left(user):
    """How many of the person's recovery codes have not been used."""
    unused = (RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
    return db.session.scalar(select(func.count()).select_from(RecoveryCode).where(*unused))


def identity_of(issuer, subject):
    """The Identity that this provider knows by this subject, with its person, or None. The only way there is from a
    provider to an account: an address may be somebody else's tomorrow."""
    return db.session.scalars(
        select(Identity)
        .where(Identity.issuer == issuer, Identity.subject == subject)
        .options(joinedload(Identity.user))
    ).first()


def identities_of(user):
    """What a person has connected, in the order they did."""
    return db.session.scalars(select(Identity).where(Identity.user_id == user.id).order_by(Identity.id)).all()


def own_identity(actor, identity_id):
    """One that the actor has connected. Raises NotFound for anybody else's, as for none."""
    found = db.session.get(Identity, identity_id) if is_id(identity_id) else None
    if found is None or found.user_id != actor.id:
        raise NotFound("That is not connected to your account.")
    return found


def flow_of(provider_key, state, browser):
    """The ProviderFlow that this browser is on with this provider, unless it has run out; None otherwise."""
    flow = db.session.get(ProviderFlow, token_hash(state))
    fits = flow and (flow.provider, flow.browser_hash) == (provider_key, token_hash(browser))
    return flow if fits and flow.expires_at > now() else None
