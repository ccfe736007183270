"""flask audit: whether the audit log is as it was written."""

import sys

import click
from flask.cli import AppGroup

from chat.admin.queries import broken_at

audit = AppGroup("audit", help="The log of who did what in running the community.")


@audit.command()
def verify():
    """Check every entry of the audit log against the one before it. Fails at the first that was changed or is gone."""
    broken, count = broken_at()
    if broken:
        click.echo(f"The chain breaks at entry {broken} of {count}: it, or one before it, was changed or taken out.")
        sys.exit(1)
    click.echo(f"The chain holds: all {count} entries are as they were written.")
