"""Every fault by its number: what is done, what must hold, how long it takes. The functions are in families.

    @fault("R01", "kill -9 one of two workers every 5 s", target="…", world={"workers": 2})
    def kill_one(world, size): …            → Outcome

world    what World is given; faults that want the same share one. A fault leaves it whole. With `alone` the function
         gets `make(**options)` instead, and makes its own.
size     a Size: `size.load` for everybody's talk, `size.of(short, long)` for everything else.
"""

from dataclasses import dataclass, replace

from tests.faults.world import L1, Load, World

FAULTS = {}
# What the table does not run itself, and where it is.
ELSEWHERE = {
    "R13": (
        "50 readers that never read",
        "`make bench`, `slow_readers`; one of them: tests/system/test_connections.py",
    ),
    "R14": ("10,000 idle connections", "`make bench`, `memory`; an hour of them: not done"),
    "R17": ("a client of the protocol before", "there is only one protocol yet"),
    "R24": ("five tabs of one person", "tests/browser/test_tabs.py"),
    "R26": ("event streams cut with Last-Event-ID", "tests/system/test_sse.py"),
    "R28": ("time to an answer", "`make bench`, `posts` and `latency`"),
    "R29": (
        "lateness of the event loop",
        "under sign-ins: tests/system/test_guessing.py; with uploads and search: not done",
    ),
    "R32": ("the same on SQLite and on PostgreSQL", '`make faults ARGS="--database postgresql"`'),
    "R33": ("the same on gevent", '`make faults ARGS="--async-mode gevent"`'),
}


@dataclass(frozen=True)
class Fault:
    number: str
    title: str
    target: str
    world: dict
    run: object
    database: str | None  # the only one it makes sense on
    alone: bool  # it makes its own world
    is_long: bool  # and has no short form: other tests do the same

    def __str__(self):
        return f"{self.number} {self.title}"


@dataclass(frozen=True)
class Size:
    """How large a fault is. Short: a handful of clients for seconds, as a part of `make test`."""

    long: bool = False
    seconds: float | None = None
    programs: int | None = None  # of R20

    @property
    def load(self):
        load = L1 if self.long else Load()
        return replace(load, seconds=self.seconds or load.seconds)  # a copy: faults change what they were given

    def of(self, short, long):
        return long if self.long else short

    def lasting(self, short, long):
        """A load that lasts so many seconds, if nobody asked for others."""
        return replace(self.load, seconds=self.seconds or self.of(short, long))


def fault(number, title, *, target, database=None, alone=False, is_long=False, **world):
    def register(function):
        FAULTS[function.__name__] = Fault(number, title, target, world, function, database, alone, is_long)
        return function

    return register


class Worlds:
    """Makes worlds for faults, one for each kind, and keeps the last so that the next fault may use it, too."""

    def __init__(self, **options):
        self.options, self.kind, self.world = options, None, None

    def run(self, fault, size):
        """The Outcome of a fault."""
        common = self.options | ({"database": fault.database} if fault.database else {})
        if fault.alone:
            return fault.run(lambda **options: World(**common, **options), size)
        options = common | fault.world
        if options != self.kind:
            self.close()
            self.world, self.kind = World(**options), options
        return fault.run(self.world, size)

    def close(self):
        if self.world is not None:
            self.world.close()
        self.world = self.kind = None
