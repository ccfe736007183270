"""Registers every command. `flask --app app --help` lists them."""

import re
import secrets
from dataclasses import fields

import click
from flask import current_app

import config
from chat.accounts.actions.sealed import reseal_all
from chat.cli.audit import audit
from chat.cli.doctor import doctor
from chat.cli.epoch import epoch
from chat.cli.flood import flood
from chat.cli.mail import mail
from chat.cli.people import people
from chat.cli.seed import seed
from chat.core.sealed import Unreadable

MASK = "•" * 8


def register(app):
    for command in (people, mail, seed, flood, doctor, epoch, audit, show_config, new_secret):
        app.cli.add_command(command)


@click.command("config")
def show_config():
    """Show every setting as it is in force; secrets are masked."""
    settings = current_app.config["PARLEY"]
    for f in fields(config.Settings):
        value = getattr(settings, f.name)
        is_secret = f.name in ("secret_key", "secret_key_fallbacks", "metrics_token") or f.name.endswith("_secret")
        if is_secret and value:
            value = MASK
        if f.name in ("database_url", "message_queue_url", "smtp_url"):
            value = masked(value)
        click.echo(f"{f.metadata['env']:24}{shown(value)}")


def shown(value):
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, config.Limit):
        return f"{value.burst} + {value.rate:g}/s"
    if isinstance(value, tuple):
        return ", ".join(":".join(part) if isinstance(part, tuple) else part for part in value)
    return value


def masked(url):
    """The address of a database without its password, whether that stands before the host or in the query."""
    url = re.sub(r"(//[^:@/]*):.*@", rf"\1:{MASK}@", url)
    return re.sub(r"([?&]password=)[^&]*", rf"\1{MASK}", url)


@click.group("secrets")
def new_secret():
    """Secrets of this installation."""


@new_secret.command("new")
def new():
    """Print a new SECRET_KEY."""
    click.echo(secrets.token_urlsafe(48))


@new_secret.command("rotate")
def rotate():
    """Seal every stored secret with the present SECRET_KEY; then SECRET_KEY_FALLBACKS may be emptied."""
    try:
        count = reseal_all()
    except Unreadable as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} stored secrets are sealed with the present SECRET_KEY.")
