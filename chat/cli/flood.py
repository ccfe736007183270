import click


@click.command()
def flood():
    """x"""
