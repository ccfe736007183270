from dataclasses import dataclass


@dataclass(frozen=True)
class Claimed:
    """Who somebody is, as their provider says. Everything but issuer and subject may be wrong, empty or hostile.

    email      only where the provider says that it has made sure of it; else ""
    groups     None where groups do not decide about roles
    """

    provider: str
    issuer: str
    subject: str
    email: str
    name: str
    username: str
    groups: tuple | None = None


def said(claims, name, longest=300):
    """The text of a claim, or "" when it is none."""
    value = claims.get(name)
    return value.strip()[:longest] if isinstance(value, str) else ""
