"""How long the tests are that try many cases. `make test` tries a part of them, spread over all there are; PROOFS=long
(`make proofs`) tries every one, for hours."""

import os

IS_LONG = os.environ.get("PROOFS") == "long"


def of(short, long):
    return long if IS_LONG else short


def part(cases, place, *, of):
    """Every `of`-th case, others at the next place: among so many places all are tried. When long, all of them."""
    cases = list(cases)
    return cases if IS_LONG else cases[place % of :: of]
