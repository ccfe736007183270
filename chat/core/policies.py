"""Every way in says who may take it, or the application does not start.

A view says so by a decorator that sets its `policy`: `signed_in` and the like, or `open_to`. What may be done to which
object is decided in the action behind it; this is the first gate, and the list that tests of authorization work from.
"""


def open_to(who):
    """Mark a view that needs no signed-in person. `who` says for whom it is and why, for whoever reviews it."""

    def mark(view):
        view.policy = who
        return view

    return mark


def refuse_undeclared(app):
    """Raise RuntimeError naming the endpoints whose view has no policy."""
    missing = sorted(name for name, view in app.view_functions.items() if policy_of(view) is None)
    if missing:
        raise RuntimeError(f"These endpoints say nothing about who may use them: {', '.join(missing)}")


def policy_of(view):
    """The policy of a view function, also of one made from a class of views."""
    return getattr(view, "policy", None) or getattr(getattr(view, "view_class", None), "policy", None)
