"""Lists that come a page at a time. A page begins after the last one of the page before, not after a number of them: so
nobody is shown twice or left out because others came or went meanwhile."""

from flask import request
from sqlalchemy import or_, tuple_

from chat.core.db import db


def page_of(query, limit):
    """(rows, whether there are more) of a query that is ordered already."""
    found = db.session.scalars(query.limit(limit + 1)).all()
    return found[:limit], len(found) > limit


def stands_after(order, values):
    """A condition: comes after what has these `values`, in the `order` of these columns, each rising."""
    return tuple_(*order) > tuple_(*values)


def has_words(column, words):
    """Whether a column holds these words, in the usual spellings: SQLite knows upper and lower case of Latin only."""
    words = words.replace("\0", "")
    spelled = {words, words.lower(), words.upper(), words.title()}
    return or_(*(column.icontains(spelling, autoescape=True) for spelling in sorted(spelled)))


def arguments(**changes):
    """Those of this page's address, with others: for the link to the page that follows."""
    return {**{name: value for name, value in request.args.items() if value}, **changes}
