import click


@click.command()
def seed():
    """x"""
