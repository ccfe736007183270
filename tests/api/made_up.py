"""What schemathesis has to know beside the document: how strings of our own formats look."""

import schemathesis
from hypothesis import strategies

LETTERS = "abcxyz0189éßжя語ไ"
words = strategies.text(LETTERS, min_size=1, max_size=12)
schemathesis.openapi.format("room-name", strategies.lists(words, min_size=1, max_size=3).map("-".join))


@schemathesis.hook
def filter_query(context, query):
    """A request line above 4 KiB is refused by the web server, before Parley sees it."""
    return len(str(query)) < 500
