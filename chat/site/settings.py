"""What those who run a community can set: name, default, what may be chosen, and the words beside it.

Kept in one column of the community's row; what is not in it has its default. Read by `site.queries.setting`, changed by
`admin.actions.change_settings`, which is also where the page of settings comes from.
"""

from dataclasses import dataclass

from chat.core.errors import Invalid


@dataclass(frozen=True)
class Setting:
    """choices   {value: what people read}; None: a whole number from `low` to `high`, or nothing where `empty` says so.
    empty        what it means to leave the number out
    group        the part of the settings page it stands in
    """

    default: object
    label: str
    help: str
    group: str
    choices: dict | None = None
    low: int = 0
    high: int = 0
    empty: str | None = None

    def check(self, name, value):
        """The value to store. Raises Invalid, naming the field and the remedy."""
        if self.choices is not None:
            if value not in self.choices:
                raise Invalid(f"Choose one of {', '.join(map(str, self.choices))}.", field=name)
            return value
        if value in (None, "") and self.empty:
            return None
        try:
            number = value if isinstance(value, int) and not isinstance(value, bool) else int(str(value))
        except ValueError:
            number = None
        if number is None or not self.low <= number <= self.high:
            either = f", or leave it empty: {self.empty}" if self.empty else ""
            raise Invalid(f"Use a whole number from {self.low:,} to {self.high:,}{either}.", field=name)
        return number


RANKS = {"member": "All members", "moderator": "Moderators and up", "admin": "Administrators"}
NO_YES = {False: "No", True: "Yes"}

SETTINGS = {
    "who_may_invite": Setting("member", "Who invites people", "Guests never do.", "People", RANKS),
    "who_may_create_room": Setting("member", "Who creates rooms", "Guests never do.", "Rooms", RANKS),
    "password_sign_in": Setting(
        True, "Sign in with a password",
        "When off, people come in through your identity provider alone; owners keep their password, so that nobody is "
        "locked out.", "Sign-in", NO_YES,
    ),
    "second_factor": Setting(
        "nobody", "Who needs a second factor",
        "Whoever has none is led to setting one up at once, you too, and can do nothing else here until they have.",
        "Sign-in",
        {"nobody": "Nobody", "admin": "Administrators", "moderator": "Moderators and up", "everyone": "Everyone"},
    ),
    "new_account_hours": Setting(
        0, "Hours an account counts as new", "New accounts write more slowly and without links. 0 switches that off.",
        "Moderation", low=0, high=720,
    ),
    "retention_days": Setting(
        None, "Days that messages are kept", "Rooms may have their own number. Older messages are gone for good.",
        "Retention", low=1, high=36_500, empty="they are kept for ever",
    ),
}  # fmt: skip
