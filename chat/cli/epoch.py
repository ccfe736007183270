"""flask epoch: for whoever put another database in the place of the one people were on."""

import click
from flask.cli import AppGroup

from chat.core.errors import ChatError
from chat.site.actions import begin_epoch

epoch = AppGroup("epoch", help="What says that a database is the one people know.")


@epoch.command()
def new():
    """Have every page loaded anew: after promoting a replica that lacked the newest changes, or by hand from a backup.

    Otherwise what people have on their screens and what the database lacks would keep the same numbers. Running
    processes notice within a second. Nobody is signed out; a session that was ended in what is lacking is valid again.
    """
    try:
        begin_epoch()
    except ChatError as error:
        raise click.ClickException(error.message) from None
    click.echo("A new epoch has begun. Every page is loaded anew, within seconds.")
