"""flask people: accounts from the command line, for machines and for whoever runs the server."""

import secrets
import sys

import click
from flask.cli import AppGroup

from chat.accounts.actions import assign_role, create_user, make_first_link, replace_password
from chat.accounts.names import email_address, person_name, user_name
from chat.accounts.passwords import hash_password, refuse_weak
from chat.accounts.policy import ROLES
from chat.accounts.queries import everyone, user_by_username
from chat.core.db import db
from chat.core.errors import ChatError
from chat.rooms.actions import found_community
from chat.site.queries import the_site

people = AppGroup("people", help="Make accounts and list them.")


@people.command()
@click.option("--name", required=True, help="As shown, in any script.")
@click.option("--username", help="For mentions and signing in. Default: made from the name.")
@click.option("--email", required=True)
@click.option("--role", type=click.Choice(ROLES), help="Default: member. The first person is the owner in any case.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of making a link.")
@click.option("--community", default="Parley", show_default=True, help="Its name, on an empty database.")
def create(name, username, email, role, password_stdin, community):
    """Make an account. On an empty database this founds the community, its owner and the room general."""
    try:
        password, known = _password(password_stdin), [person_name(name), email_address(email)]
        if username:
            known.append(user_name(username))
        refuse_weak(password, about=known)
        founding = the_site() is None
        db.session.rollback()
        account = {"name": name, "username": username, "email": email, "password_hash": hash_password(password)}
        user = found_community(community, **account) if founding else create_user(**account, role=role or "member")
    except ChatError as error:
        raise click.ClickException(error.message) from None
    click.echo(f"Created @{user.username} ({user.name}, {user.role}).")
    if not password_stdin:
        _print_link(user)


def _password(from_stdin):
    """The one that was given, or one that nobody gets to know: a password that a program made should not last."""
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else secrets.token_urlsafe(32)


def _print_link(user):
    click.echo(f"Whoever opens this sets the password, once, within a day:\n{make_first_link(user)}")


@people.command()
@click.argument("username")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of making a link.")
def password(username, password_stdin):
    """End somebody's password and sign them out everywhere, for who forgot theirs. Prints a link for a new one."""
    user = user_by_username(username.removeprefix("@"))
    if user is None:
        raise click.ClickException(f"There is nobody called @{username}. See: flask people list")
    try:
        new = _password(password_stdin)
        replace_password(user, new)
    except ChatError as error:
        raise click.ClickException(error.message) from None
    click.echo(f"@{user.username}'s old password is gone, and they are signed out everywhere.")
    if not password_stdin:
        _print_link(user)


@people.command()
@click.argument("username")
@click.argument("role", type=click.Choice([role for role in ROLES if role != "bot"]))
def role(username, role):
    """Give somebody another role: for when there is no owner who could."""
    user = user_by_username(username.removeprefix("@"))
    if user is None:
        raise click.ClickException(f"There is nobody called @{username}. See: flask people list")
    try:
        assign_role(user, role)
    except ChatError as error:
        raise click.ClickException(error.message) from None
    click.echo(f"@{user.username} is {role} now.")


@people.command("list")
def list_people():
    """List every account."""
    for user in everyone():
        state = "  deactivated" if user.deactivated_at else ""
        click.echo(f"{user.id:>5}  @{user.username:<32} {user.role:<7} {user.email:<32} {user.name}{state}")
