"""flask mail: whether mail goes out."""

import click
from flask.cli import AppGroup

from chat.core import mail as post
from chat.core.mail import MailError
from chat.site.queries import the_site

mail = AppGroup("mail", help="Try the mail server.")


@mail.command("test")
@click.argument("address")
def try_it(address):
    """Send a mail to ADDRESS now and say what became of it."""
    if not post.is_on():
        raise click.ClickException("SMTP_URL is empty, so no mail is sent. Set it, for instance in .env.")
    site = the_site()
    community = site.name if site else "Parley"
    try:
        taken = post.deliver(address, f"Mail of {community} works", "test", community=community)
    except (MailError, ValueError) as error:
        raise click.ClickException(f"{error}. Look at SMTP_URL and MAIL_FROM.") from None
    if not taken:
        raise click.ClickException("The mail server refused it. Look at its log, at MAIL_FROM and at the address.")
    click.echo(f"The mail server has taken a mail to {address}.")
