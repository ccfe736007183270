from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ExportView:
    path: str | None  # None: not ready yet
    size: str
    until: datetime | None
    done: int
    of: int


def present_export(export, progress):
    done, of = progress or (0, 0)
    ready = export.ready_at is not None
    return ExportView(
        path=f"/settings/data/exports/{export.id}" if ready else None, size=_size(export.size_bytes or 0),
        until=export.expires_at, done=done, of=of,
    )  # fmt: skip


def _size(size):
    return f"{size / 1_000_000:.1f} MB" if size >= 1_000_000 else f"{max(1, round(size / 1000))} kB"
