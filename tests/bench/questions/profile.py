"""Where does the time of one message go?"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.bench.figures import table
from tests.bench.servers import ROOT, Failed, load
from tests.system.server import wait_until

NAME, TITLE, PEOPLE = "profile", "Where the time of one message goes", 1000

SAMPLES = 250  # a second
# The first that matches a frame decides, from the innermost frame outwards; what none matches is "the rest".
PARTS = (
    ("markdown and HTML of the text", ("chat/messages/formatting.py", "chat/messages/text.py", "markdown_it", "nh3")),
    ("the page's piece of HTML", ("chat/realtime/frames.py", "templates/", "jinja2")),
    ("COMMIT: writing to the disk", ("commit (",)),
    ("SQL statements", ("chat/core/prepared.py", "chat/core/db.py", "sqlalchemy", "sqlite3")),
    ("ledger and transaction", ("chat/core/ledger.py", "chat/core/transaction.py", "chat/core/blocking.py")),
    ("posting: rules and rows", ("chat/messages/", "chat/rooms/", "chat/accounts/", "chat/streams/", "chat/site/")),
    ("sending to the room", ("chat/fanout/", "engineio", "socketio", "simple_websocket", "eventlet/websocket.py")),
    ("dispatch and following streams", ("chat/realtime/", "flask_socketio", "flask/", "werkzeug/")),
    ("event loop", ("eventlet/", "gevent/", "greenlet", "selectors.py", "threading.py", "queue.py")),
)
REST = "the rest"


def run(bench):
    spy = Path(sys.executable).with_name("py-spy")
    if not spy.exists():
        return {"cases": {}, "skipped": "py-spy is not installed"}
    stacks = bench.work / "stacks"
    with bench.server("parley") as server:
        bench.warm_up(server)
        seconds = max(2, round(bench.seconds(5)))
        command = [
            spy, "record", "--pid", server.worker(), "--format", "raw", "--rate", SAMPLES, "--duration", seconds,
            "--nonblocking", "--full-filenames", "--threads", "--output", stacks,
        ]  # fmt: skip
        watching = []

        def watch():
            watching.append(
                subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            )

        result = load(
            server, "--connections", bench.people(1000), "--senders", 100, "--window", 4, "--settle", 2, "--acks",
            "--duration", seconds + 2, room_size=10, while_running=lambda: (_wait_for_posts(server), watch()),
        )  # fmt: skip
        said, _ = watching[0].communicate(timeout=60)
    if not stacks.exists():
        return {"cases": {}, "skipped": f"py-spy could not look into the server: {said.decode()[-200:].strip()}"}
    shares, functions = summed(stacks.read_text())
    bench.say(0, "parley", "profile", f"{sum(shares.values()):,} samples", result)
    return {
        "cases": {"rooms of 10": {"parley": [result]}},
        "shares": shares.most_common(),
        "functions": functions.most_common(15),
    }


def _wait_for_posts(server, seconds=60):
    before = server.stored()
    try:
        wait_until(lambda: server.stored() >= before + 20, seconds=seconds)
    except AssertionError:
        raise Failed("No message was stored while the profile waited for one.") from None


def summed(folded):
    """(Counter of parts, Counter of functions by their own time) from py-spy's folded stacks."""
    shares, functions = Counter(), Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        shares[part_of(frames)] += int(count)
        functions[_short(frames[-1])] += int(count)
    return shares, functions


def part_of(frames):
    for frame in reversed(frames):
        for name, marks in PARTS:
            if any(mark in frame for mark in marks):
                return name
    return REST


def _short(frame):
    """`function in file`, without the line, and without where it is installed."""
    name, _, place = frame.rpartition(" (")
    path = place.rpartition(":")[0].replace(f"{ROOT}/", "")
    return f"{name} in {re.split(r'site-packages/|lib/python[0-9.]+/', path)[-1]}" if name else frame


def goals(result):
    return []


def show(result, pictures):
    if "skipped" in result:
        return [f"Not measured: {result['skipped']}."]
    total, run = sum(count for _, count in result["shares"]), result["cases"]["rooms of 10"]["parley"][0]
    parts = [
        [name, f"{count / total:.0%}", f"{run['cpu_us_per_post'] * count / total:.0f}"]
        for name, count in result["shares"]
    ]
    own = [[f"`{name}`", f"{count / total:.1%}"] for name, count in result["functions"]]
    return [
        f"Rooms of 10, saturated: {run['cpu_us_per_post']:.0f} µs of processor time for each message, its ten",
        f"deliveries and its acknowledgement included. py-spy took {total:,} samples of the worker's threads at work,",
        f"{SAMPLES} a second; being watched costs, too, so only the shares count.",
        "",
        *table(["part", "share", "µs per message"], parts),
        "",
        "The functions in which most of the time is spent, without what they call:",
        "",
        *table(["function", "share"], own),
    ]
