"""Every setting of Parley: its environment name, type, default and meaning.

Settings come from the environment, or from a `.env` file in the working directory where the environment is silent.
`load()` reports all mistakes at once, each with the remedy. `docs/configuration.md` and `.env.example` list the same
names; a test holds the three together.
"""

import os
import secrets
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values


class ConfigError(Exception):
    """One or more settings are wrong. `str()` lists every one with its remedy."""

    def __init__(self, problems):
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class Invalid(ValueError):
    """One setting's value cannot be used; the text says why and what to do."""


def text(value):
    return value.strip()


def switch(value):
    lowered = value.strip().lower()
    if lowered in ("1", "on", "true", "yes"):
        return True
    if lowered in ("0", "off", "false", "no", ""):
        return False
    raise Invalid(f"is {value!r}; use on or off")


def whole(low, high):
    """A parser for whole numbers from `low` to `high`."""

    def parse(value):
        try:
            number = int(value)
        except ValueError:
            raise Invalid(f"is {value!r}; use a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise Invalid(f"is {number}; use a whole number from {low} to {high}")
        return number

    return parse


def one_of(*choices):
    def parse(value):
        if value.strip().lower() not in choices:
            raise Invalid(f"is {value!r}; use one of {', '.join(choices)}")
        return value.strip().lower()

    return parse


@dataclass(frozen=True)
class Limit:
    """A token bucket: `burst` at once, then `rate` a second."""

    burst: int
    rate: float


def limit(value):
    """`20 + 5/s`, `5 + 10/min` or `100 + 100/h`: a burst, then a steady rate."""
    try:
        burst, rate = value.split("+")
        count, _, unit = rate.strip().partition("/")
        seconds = {"s": 1, "min": 60, "h": 3600}[unit.strip()]
        parsed = Limit(int(burst), float(count) / seconds)
    except (ValueError, KeyError):
        raise Invalid(f"is {value!r}; use a burst and a rate, such as 20 + 5/s (also /min and /h)") from None
    if parsed.burst < 1 or parsed.rate <= 0:
        raise Invalid(f"is {value!r}; the burst is at least 1 and the rate above 0")
    return parsed


def base_url(value):
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise Invalid(f"is {value!r}; use the address people open, such as https://chat.example.org")
    if "@" in parts.netloc:
        raise Invalid("holds a user name or a password; leave them out")
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname  # lower case, as browsers send it
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")


def origins(value):
    found = []
    for part in filter(None, (p.strip() for p in value.split(","))):
        if "*" in part:
            raise Invalid("contains *, which would let any web page speak for your people; list each origin")
        found.append(base_url(part))
    return tuple(found)


def database_url(value):
    """SQLAlchemy's address of the database; `postgres://` and `postgresql://` both mean psycopg 3."""
    value = value.strip()
    for prefix in ("postgres://", "postgresql://"):
        if value.startswith(prefix):
            return "postgresql+psycopg://" + value.removeprefix(prefix)
    if value.startswith(("sqlite:///", "postgresql+psycopg://")):
        return value
    raise Invalid("must begin with sqlite:/// or postgresql://")


def setting(env, parse, default, meaning):
    return field(metadata={"env": env, "parse": parse, "default": default, "meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """The settings of one process, checked. Built by `load()`."""

    host: str = setting("HOST", text, "127.0.0.1", "address to listen on; 0.0.0.0 for every network")
    port: int = setting("PORT", whole(1, 65535), "5000", "port to listen on")
    base_url: str = setting("BASE_URL", base_url, "", "the address people open; default http://localhost:PORT")
    allowed_origins: tuple = setting(
        "ALLOWED_ORIGINS", origins, "", "more origins that may open the websocket, comma separated"
    )
    data_dir: Path = setting("DATA_DIR", Path, "data", "folder for the database, uploads and the secret key")
    database_url: str = setting("DATABASE_URL", database_url, "", "default: SQLite in DATA_DIR; or postgresql://…")
    secret_key: str = setting("SECRET_KEY", text, "", "at least 32 bytes; default: made once, kept in DATA_DIR")
    async_mode: str = setting("ASYNC_MODE", one_of("eventlet", "gevent"), "eventlet", "green threads of the server")
    workers: int = setting("WEB_CONCURRENCY", whole(1, 64), "1", "server processes")
    auto_migrate: bool = setting("AUTO_MIGRATE", switch, "on", "bring the database up to date at start")
    trusted_proxies: int = setting("TRUSTED_PROXIES", whole(0, 8), "0", "how many proxies in front set X-Forwarded-*")
    graceful_timeout_seconds: int = setting("GRACEFUL_TIMEOUT", whole(1, 300), "15", "seconds a stop may take")
    log_level: str = setting("LOG_LEVEL", one_of("debug", "info", "warning", "error"), "info", "how much the log says")
    access_log: bool = setting("ACCESS_LOG", switch, "off", "one line for each request, without query strings")
    metrics_token: str = setting("METRICS_TOKEN", text, "", "bearer token that may read /metrics; empty: owners only")
    bcrypt_cost: int = setting("BCRYPT_COST", whole(4, 16), "12", "work factor of password hashes")
    upload_bytes: int = setting("UPLOAD_BYTES", whole(10_000, 100_000_000), "5000000", "largest picture accepted")
    rate_limits: bool = setting("RATE_LIMITS", switch, "on", "off switches every limit off, for tests and imports")
    limit_send: Limit = setting("LIMIT_SEND", limit, "20 + 5/s", "messages of one person")
    limit_edit: Limit = setting("LIMIT_EDIT", limit, "20 + 2/s", "edits and deletions of one person")
    limit_read: Limit = setting("LIMIT_READ", limit, "60 + 10/s", "read positions of one person")
    limit_resume: Limit = setting("LIMIT_RESUME", limit, "60 + 10/s", "resume requests of one person")
    limit_room: Limit = setting("LIMIT_ROOM", limit, "30 + 20/min", "rooms created, joined, changed by one person")
    limit_change: Limit = setting(
        "LIMIT_CHANGE", limit, "30 + 20/min", "changes of one person to their profile, and invites they make"
    )
    limit_typing: Limit = setting("LIMIT_TYPING", limit, "20 + 2/s", "typing and presence notes of one person")
    limit_sign_in: Limit = setting("LIMIT_SIGN_IN", limit, "5 + 5/min", "wrong passwords for one account")
    limit_sign_in_address: Limit = setting(
        "LIMIT_SIGN_IN_ADDRESS", limit, "30 + 100/h", "wrong passwords from one network address"
    )
    limit_sign_up: Limit = setting("LIMIT_SIGN_UP", limit, "20 + 20/h", "new accounts from one network address")

    @property
    def origins(self):
        """The origins whose pages may open the websocket and post forms."""
        local = (f"http://localhost:{self.port}", f"http://127.0.0.1:{self.port}")
        own = (self.base_url,) if self.base_url != local[0] else local
        return frozenset((*own, *self.allowed_origins))

    @property
    def secure(self):
        """Whether people reach us over TLS; then cookies are Secure and carry the __Host- prefix."""
        return self.base_url.startswith("https://")

    @property
    def uploads_dir(self):
        return self.data_dir / "uploads"

    def limit(self, verb):
        """The bucket for `verb`, for instance "send"."""
        return getattr(self, f"limit_{verb}")


SAMPLES = ("changeme", "secret", "dev", "development", "your-secret-key")


def load(environ=None):
    """Return the Settings of this process. Raises ConfigError that names every wrong setting and its remedy.

    Writes nothing, except for a missing secret key, which is made once with mode 0600 in DATA_DIR.
    """
    if environ is None:
        environ = {**{k: v for k, v in dotenv_values(".env").items() if v is not None}, **os.environ}
    values, problems = {}, []
    for f in fields(Settings):
        env, raw = f.metadata["env"], environ.get(f.metadata["env"])
        raw = f.metadata["default"] if raw is None or raw == "" else raw
        if raw == "" and f.name in ("base_url", "database_url"):
            continue
        try:
            values[f.name] = f.metadata["parse"](raw)
        except Invalid as error:
            problems.append(f"{env} {error}")
    if problems:
        raise ConfigError(problems)
    values["data_dir"] = values["data_dir"].absolute()
    values.setdefault("base_url", f"http://localhost:{values['port']}")
    values.setdefault("database_url", f"sqlite:///{values['data_dir'] / 'parley.db'}")
    values["secret_key"] = values["secret_key"] or kept_secret_key(values["data_dir"])
    size = len(values["secret_key"].encode())
    if size < 32 or values["secret_key"].lower().startswith(SAMPLES):
        raise ConfigError(
            [
                f"SECRET_KEY is {size} bytes or a known sample; 32 random ones are needed. Leave it out: one is made "
                "and kept in DATA_DIR; or, while it is out, make one: flask --app app secrets new"
            ]
        )
    return Settings(**values)


def new_secret_key():
    return secrets.token_urlsafe(48)


def kept_secret_key(data_dir):
    """The key in DATA_DIR, made on first use. O_EXCL: of two processes that start together one makes it."""
    path = Path(data_dir) / "secret_key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new_secret_key() + "\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigError(
            [f"DATA_DIR is {data_dir}, which cannot be written ({error.strerror}). Choose another."]
        ) from None
    return path.read_text().strip()
