"""How gunicorn runs Parley. Everything that can be chosen is a setting in `config.py`; nothing is decided here."""

import os
from pathlib import Path

from chat.core.scrub import hide_settings
from chat.server import async_mode, libraries
from config import load  # not `import config`: gunicorn has a setting of that name

settings = load()
hide_settings(settings)
os.environ["ASYNC_MODE"] = settings.async_mode  # it may come from .env, which the workers do not read again for this
os.environ["FAST_PATH"] = "on" if settings.fast_path else "off"
libraries.load()

bind = f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"
backlog = 4096  # a restart brings everyone back within seconds
workers = settings.workers
worker_class = async_mode.worker_class()
worker_connections = 20_000
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - the heartbeat must not wait for a disk
timeout = 30
keepalive = 5
graceful_timeout = settings.graceful_timeout_seconds + 1  # the worker is gone a second before gunicorn would kill it
sendfile = False  # eventlet's sockets refuse it once the headers are out: pictures and exports would come empty
control_socket_disable = True  # it would be written into the home directory, which a system user has not

forwarded_allow_ips = ""  # gunicorn believes no forwarded header; the application counts the proxies it trusts

loglevel = settings.log_level
accesslog = "-" if settings.access_log else None
logger_class = "chat.server.access_log.AccessLogger"
# No query string and no referrer: they carry search words and invite codes.
access_log_format = ("%({x-forwarded-for}i)s" if settings.trusted_proxies else "%(h)s") + (
    ' "%(m)s %(U)s %(H)s" %(s)s %(B)s %(M)sms "%(a)s"'
)

if "--reload" in os.environ.get("GUNICORN_CMD_ARGS", ""):
    # `make dev`: also for what Python does not import.
    reload_extra_files = [str(path) for top in ("templates", "static") for path in Path(top).rglob("*.*")]
