"""Medians and ratios of what the load generator said, and tables of them.

`runs` is {server: [one result for each round]}; a key is a path into a result, such as "latency_ms.p99". A ratio is the
median of the rounds' ratios to the base in the same round, so that what the machine did in a round touches both.
"""

import statistics

NAMES = {"node": "Node", "plain": "Flask-SocketIO", "floor": "C floor", "parley": "Parley"}
UNKNOWN = "–"


def value(result, key):
    for part in key.split("."):
        result = result[part]
    return result


def median(runs, server, key):
    found = [value(result, key) for result in runs.get(server, [])]
    return statistics.median(found) if found else None


def ratio(runs, server, key, base="node"):
    """None when there is nothing to divide by. A server that ran in fewer rounds is compared within those."""
    pairs = zip(runs.get(server, []), runs.get(base, []), strict=False)
    found = [value(mine, key) / value(its, key) for mine, its in pairs if value(its, key)]
    return statistics.median(found) if found else None


def number(x, places=None):
    """As people read it: three digits that count, with separators."""
    if x is None:
        return UNKNOWN
    if places is None:
        places = 0 if abs(x) >= 100 else 1 if abs(x) >= 10 else 2
    return f"{x:,.{places}f}"


def times(x):
    return UNKNOWN if x is None else f"{number(x, 2 if x < 10 else 1)} ×"


def table(head, rows):
    """A Markdown table; the first column is text, the others are numbers."""
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def goal(words, measured, limit, *, at_least):
    """One row of the goals: what, the limit, what was measured, whether it was reached."""
    sign = "≥" if at_least else "≤"
    if measured is None:
        return {"what": words, "goal": f"{sign} {limit:g}", "measured": UNKNOWN, "reached": None}
    reached = measured >= limit if at_least else measured <= limit
    return {"what": words, "goal": f"{sign} {limit:g}", "measured": number(measured, 2), "reached": reached}


def verified(cases):
    """[(case, server, complaint)] for every run that was not exactly once and in order, or was refused something."""
    complaints = []
    for case, runs in cases.items():
        for server, results in runs.items():
            for result in results:
                if isinstance(result, dict) and result.get("ok") is False:
                    complaints.append((case, server, complaint(result)))
    return complaints


def complaint(result):
    if not result["finished"] and not (result["duplicated"] or result["out_of_order"] or result["foreign"]):
        return "behind: not everything had arrived when waiting ended"
    counts = ("missing", "duplicated", "wrong", "unanswered", "out_of_order", "foreign", "refused", "closed", "errors")
    said = [f"{result[name]} {name.replace('_', ' ')}" for name in counts if result[name]]
    if result["connected"] < result["connections"]:
        said.append(f"{result['connections'] - result['connected']} not connected")
    return ", ".join(said) + (f" ({result['first_error']})" if result["first_error"] else "")
