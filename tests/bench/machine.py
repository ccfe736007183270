"""What the figures were measured on, and whether it had time for it."""

import os
import platform
import shutil
import statistics
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from tests.system.server import wait_until

BUSY_SHARE, BUSY_LOAD = 0.05, 0.5
PACKAGES = ("flask", "flask-socketio", "python-socketio", "eventlet", "gunicorn", "sqlalchemy", "orjson")


def facts(folder):
    """{name: value} for the report."""
    return {
        "processors": os.cpu_count(),
        "processor": _cpu_name(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "disk": _said("stat", "-f", "-c", "%T", str(folder)),
        "fdatasync_ms": sync_times(folder),
        "python": platform.python_version(),
        "node": _said("node", "--version").removeprefix("v"),
        "socket.io": _node_package("socket.io"),
        "compiler": (_said("cc", "--version").splitlines() or ["none"])[0],
        "redis": _said("redis-server", "--version"),
        **{name: version(name) for name in PACKAGES},
    }


def load():
    """How busy the machine is without us: the load average, and the processors' busy share while they count a second.
    Looked at seldom: looking is work, too."""
    before, second = _ticks(), os.sysconf("SC_CLK_TCK") * os.cpu_count()
    wait_until(lambda: _ticks()[1] - before[1] >= second, every=0.1, what="the processors to count a second")
    busy, total = (b - a for a, b in zip(before, _ticks(), strict=True))
    return {"average": os.getloadavg()[0], "busy_share": round(busy / max(1, total), 3)}


def warning(load):
    """A sentence when figures of such a machine mean little; otherwise nothing."""
    if load["busy_share"] > BUSY_SHARE or load["average"] > BUSY_LOAD:
        return (
            f"The machine is not idle (load average {load['average']:.2f}, {load['busy_share']:.0%} of the processors "
            "in use): take ratios with care and times not at all."
        )
    return None


def on_disk(folder):
    """Whether what is written below `folder` reaches a disk."""
    return _said("stat", "-f", "-c", "%T", str(folder)) not in ("tmpfs", "ramfs")


def sync_times(folder, count=100):
    """{p50, p99} in milliseconds of writing 4 KiB and fdatasync."""
    path, times = Path(folder) / "sync-probe", []
    with open(path, "wb", buffering=0) as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    path.unlink()
    times.sort()
    return {"p50": round(statistics.median(times), 2), "p99": round(times[int(count * 0.99)], 2)}


def _ticks():
    user, nice, system, idle, iowait, *rest = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:])
    busy = user + nice + system + sum(rest[:3])
    return busy, busy + idle + iowait


def _cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _node_package(name):
    manifest = Path("node_modules") / name / "package.json"
    if not manifest.exists():
        return "none"
    return manifest.read_text().partition('"version": "')[2].partition('"')[0]


def _said(*command):
    if shutil.which(command[0]) is None:
        return "none"
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
