from dataclasses import dataclass

from chat.streams.log import SITE, Change


@dataclass(frozen=True)
class SiteChanged:
    """A setting of the community changed."""

    seq: int

    def changes(self):
        return [Change(SITE, self.seq, "settings", 1)]
