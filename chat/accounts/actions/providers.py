"""Coming in through an identity provider: leaving for it, coming back, and which account that is."""

import logging
import secrets
from dataclasses import asdict
from datetime import timedelta
from typing import NamedTuple

from flask import current_app

from chat.accounts.actions.admit import Admitted, admit
from chat.accounts.actions.create import create_user
from chat.accounts.actions.roles import assign_role
from chat.accounts.actions.sign_in import WRONG, check_counted
from chat.accounts.actions.sign_up import CLOSED, create_invited
from chat.accounts.models import Identity, Link, ProviderFlow
from chat.accounts.names import email_address, person_name, user_name
from chat.accounts.oidc.fetching import ProviderTrouble
from chat.accounts.oidc.openid import Refused
from chat.accounts.oidc.person import Claimed
from chat.accounts.oidc.providers import providers, redirect_uri
from chat.accounts.policy import ROLES, can_come_in, can_use_password
from chat.accounts.queries import (
    flow_of,
    has_second_factor,
    identities_of,
    identity_of,
    open_link,
    passkeys_of,
    token_hash,
    user_by_email,
    user_by_username,
)
from chat.core.clock import now
from chat.core.db import db
from chat.core.errors import Busy, Conflict, Invalid
from chat.core.rate_limit import limiter, network_of
from chat.core.transaction import release, transaction
from chat.site.events import Audited
from chat.site.names import NAME_LENGTH
from chat.site.queries import the_site
from chat.streams.log import ACCESS, SITE, lock, user_stream

log = logging.getLogger(__name__)

GOOD_FOR = timedelta(minutes=10)
ELSEWHERE = "That sign-in began in another browser, was used already, or took more than ten minutes. Begin again here."
SECOND_FACTOR = (
    "Your account has a second factor. Sign in with both, and connect the provider under Settings, Security."
)
LINK = "link"  # the purpose of a Link that waits for the password of the account it is about


class Flow(NamedTuple):
    """What we kept when somebody left for a provider."""

    nonce: str
    verifier: str
    next_path: str
    invite_code: str | None
    session_id: int | None


class Arrival(NamedTuple):
    """Who was Admitted; or, when somebody has that address here, the secret of the question whether it is them."""

    admitted: Admitted | None = None
    question: str | None = None


# Leaving and coming back


def begin_flow(provider, browser, *, next_path="/", invite_code=None, session=None, address=""):
    """Return where to send this browser to sign in at `provider`.

    browser   a secret that only this browser holds; whoever comes back has to bring it
    session   whose person wants to connect the provider, rather than to come in
    Raises    RateLimited per network; Busy when the provider does not answer.
    """
    limiter.take("provider", network_of(address), because="Too many sign-ins from your network.")
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    session_id = session and session.id
    release()  # nobody waits for a provider with a database connection in hand
    url = _asked(
        provider, provider.authorization_url, state=state, nonce=nonce, verifier=verifier,
        redirect_uri=redirect_uri(provider),
    )  # fmt: skip
    with transaction():
        db.session.add(
            ProviderFlow(
                state_hash=token_hash(state), browser_hash=token_hash(browser), provider=provider.key, nonce=nonce,
                verifier=verifier, next_path=next_path, invite_code=invite_code, session_id=session_id,
                expires_at=now() + GOOD_FOR,
            )
        )  # fmt: skip
    return url


def end_flow(provider, state, browser):
    """The Flow that this browser comes back from, which ends with this. Raises Invalid when there is none.

    Attack: an address with the code of somebody else's account, opened in the browser of a victim, who would go on
    under that account; or a victim's code in the browser of an attacker.
    """
    with transaction():
        flow = flow_of(provider.key, state, browser)
        if flow is None:
            raise Invalid(ELSEWHERE)
        kept = Flow(flow.nonce, flow.verifier, flow.next_path, flow.invite_code, flow.session_id)
        db.session.delete(flow)
        db.session.flush()
    return kept


def who_came(provider, flow, *, code=None, iss=None, error=None):
    """The Claimed person that the provider sent back. Raises Invalid; Busy when it does not answer now."""
    release()
    _asked(provider, provider.refuse_other_issuer, iss)
    if error is not None:
        cancelled = error in ("access_denied", "login_required", "consent_required", "interaction_required")
        log.info("%s did not sign somebody in: %s", provider.key, error[:60] if error.isprintable() else "?")
        raise Invalid(f"{provider.name} did not sign you in{', or you changed your mind' if cancelled else ''}.")
    if not code:
        raise Invalid(f"{provider.name} sent no code. Begin again.")
    return _asked(
        provider, provider.who, code=code, nonce=flow.nonce, verifier=flow.verifier,
        redirect_uri=redirect_uri(provider),
    )  # fmt: skip


def _asked(provider, ask, *args, **options):
    try:
        return ask(*args, **options)
    except ProviderTrouble as trouble:
        log.warning("Sign-in through %s: %s", provider.key, trouble)
        raise Busy(f"{provider.name} does not answer as it should. Try again in a moment.", retry_after=10) from None
    except Refused as refused:
        log.warning("Sign-in through %s refused: %s", provider.key, refused)
        raise Invalid(
            f"What came back from {provider.name} does not fit. Begin again; if it says so again, tell whoever runs "
            "this server."
        ) from None


# Coming in


def come_in(claimed, *, invite_code=None, address="", user_agent=""):
    """Sign in whoever this is, as an account of theirs or as a new one. Returns an Arrival.

    The account is the one that this provider's subject was connected to. An address alone opens none: who has it here
    is asked for their password, once. A new account needs what every new account needs: open sign-up, or an invite.

    Raises   Invalid; NotFound for an invite that is no longer good; RateLimited for new accounts.
    """
    browser = {"address": address, "user_agent": user_agent}
    if found := identity_of(claimed.issuer, claimed.subject):
        return Arrival(admitted=_come_back(found.user_id, claimed, browser))
    if not claimed.email:
        raise Invalid(
            f"{_name(claimed)} does not say that your e-mail address is really yours. Confirm it there and begin "
            "again. If you have an account here, sign in with its password and connect it under Settings, Security."
        )
    email = email_address(claimed.email)
    if there := user_by_email(email):
        return Arrival(question=_ask_for_password(there, claimed))
    limiter.take("sign_up", network_of(address), because="Too many new accounts from your network.")
    return Arrival(admitted=_join(claimed, email, invite_code, browser))


def _come_back(user_id, claimed, browser):
    with transaction():
        lock(user_stream(user_id), *_for_roles(claimed))
        identity = identity_of(claimed.issuer, claimed.subject)
        if identity is None or not can_come_in(identity.user):
            raise Invalid(WRONG)
        identity.used_at, identity.email = now(), claimed.email or identity.email
        return _signed_in(identity.user, claimed, browser)


def _signed_in(user, claimed, browser):
    """Inside a transaction: the role that their groups give them, and in; or to the second factor, if they have one."""
    role = _role_of(user.role, claimed)
    if role != user.role:
        assign_role(user, role)
    return admit(user, **browser)


def _role_of(role, claimed):
    if claimed.groups is None:
        return role
    return role_by_groups(role, claimed.groups, current_app.config["PARLEY"].oidc_role_map)


def role_by_groups(role, groups, role_map):
    """The role of somebody who has `role` and is in these groups: the highest that the map gives them. A role that the
    map could give and does not is taken back; what it does not know, guests, and owners, it leaves alone: who came by
    an invite for guests, or was made one, becomes no member by being in no group."""
    if role in ("owner", "bot"):
        return role
    given = [mapped for group, mapped in role_map if group in groups]
    if given:
        return min(given, key=ROLES.index)
    return "member" if role != "guest" and role in {mapped for _, mapped in role_map} else role


def _for_roles(claimed):
    """What has to be locked besides the person, where groups decide about roles."""
    return () if claimed.groups is None else (SITE, ACCESS)


def _join(claimed, email, invite_code, browser):
    account = {"name": _name_of(claimed, email), "email": email, "password_hash": ""}
    with transaction() as record:
        lock(SITE, ACCESS)
        account["username"] = _user_name_of(claimed)
        if invite_code:
            user = create_invited(invite_code, **account)
        elif the_site().is_open:
            user = create_user(**account, role=_role_of("member", claimed))
        else:
            raise Invalid(CLOSED)
        _connect(record, user, claimed)
        return _signed_in(user, claimed, browser)


def _name_of(claimed, email):
    for name in (claimed.name, claimed.username, email.partition("@")[0]):
        try:
            return person_name(name[:NAME_LENGTH])
        except Invalid:
            continue
    return "Somebody"


def _user_name_of(claimed):
    """Their user name there, if it can be one here and nobody has it; else None."""
    try:
        name = user_name(claimed.username)
    except Invalid:
        return None
    return None if user_by_username(name) else name


# Whether an account with this address is theirs


def _ask_for_password(user, claimed):
    """A Link, which waits for the password of the account. Closed accounts, and those without one, are like a wrong
    password: nothing that is said here tells them apart from those that are open."""
    secret = secrets.token_urlsafe(32)
    moment = now()
    with transaction():
        db.session.add(
            Link(
                secret_hash=token_hash(secret), purpose=LINK, user_id=user.id, data=asdict(claimed), created_at=moment,
                expires_at=moment + GOOD_FOR,
            )
        )  # fmt: skip
        db.session.flush()
    return secret


def confirm_identity(secret, password, *, address="", user_agent=""):
    """Connect what waits under this secret to the account it is about, by that account's password, and sign in.

    Returns Admitted. Raises Invalid, also for accounts whose password alone does not sign in; RateLimited as
    at sign-in, for they are the same guesses.
    """
    link = open_link(secret, LINK)
    if link is None:
        raise Invalid(ELSEWHERE)
    user_id, stored = link.user_id, link.user.password_hash
    usable = stored if stored and can_come_in(link.user) else None
    release()
    checked = check_counted(password, usable, account=user_id, network=network_of(address))
    if checked.right:
        with transaction() as record:
            lock(user_stream(user_id), SITE, ACCESS)
            link = open_link(secret, LINK)
            if link and can_come_in(link.user) and link.user.password_hash == stored:
                if has_second_factor(link.user):
                    raise Invalid(SECOND_FACTOR)
                claimed = claimed_of(link)
                link.used_at = now()
                _connect(record, link.user, claimed)
                return _signed_in(link.user, claimed, {"address": address, "user_agent": user_agent})
    raise Invalid(WRONG, field="password")


def claimed_of(link):
    groups = link.data["groups"]
    return Claimed(**{**link.data, "groups": None if groups is None else tuple(groups)})


# Connecting and disconnecting


def connect_identity(actor, claimed):
    """Let a provider sign the actor in from now on. Connected already: nothing changes. Raises Conflict when it signs
    somebody else in."""
    with transaction() as record:
        lock(actor.stream, SITE)
        _connect(record, actor, claimed)


def _connect(record, user, claimed):
    """Inside a transaction that has locked `site`: of two who connect the same, the second sees it."""
    found = identity_of(claimed.issuer, claimed.subject)
    if found and found.user_id != user.id:
        raise Conflict(f"That account at {_name(claimed)} belongs to somebody else here.")
    if not found:
        moment = now()
        db.session.add(
            Identity(
                user_id=user.id, provider=claimed.provider, issuer=claimed.issuer, subject=claimed.subject,
                email=claimed.email[:254], created_at=moment, used_at=moment,
            )
        )  # fmt: skip
        db.session.flush()
        record(Audited(user.id, "identity_connected", "user", user.id, {"provider": claimed.provider}))


def disconnect_identity(actor, identity):
    """Let a provider no longer sign the actor in. Raises Conflict when there would be no way in left."""
    with transaction() as record:
        lock(actor.stream)
        others = [i for i in identities_of(actor) if i.id != identity.id and i.provider in providers()]
        if not (others or passkeys_of(actor) or (actor.password_hash and can_use_password(actor))):
            raise Conflict("That is your only way in. Connect another, or set a password, before you take it away.")
        db.session.delete(identity)
        db.session.flush()
        record(Audited(actor.id, "identity_disconnected", "user", actor.id, {"provider": identity.provider}))


def _name(claimed):
    return providers()[claimed.provider].name
