"""Every setting of Parley: its environment name, type, default and meaning.

Settings come from the environment, or from a `.env` file in the working directory where the environment is silent.
`load()` reports all mistakes at once, each with the remedy. `docs/configuration.md` and `.env.example` list the same
names; a test holds the three together.
"""

import importlib.util
import os
import re
import secrets
import sys
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


QUEUES = {  # scheme: (the library it needs, the file that holds it)
    **dict.fromkeys(
        ("redis", "rediss", "unix", "redis+sentinel", "valkey", "valkeys", "valkey+sentinel"),
        ("redis", "requirements.txt"),
    ),
    **dict.fromkeys(("amqp", "amqps"), ("kombu", "requirements-rabbitmq.txt")),
    "kafka": ("kafka", "requirements-kafka.txt"),
}


def message_queue_url(value):
    """The address of Redis, Valkey, RabbitMQ or Kafka, whose library is there; or nothing."""
    value = value.strip()
    scheme, found, rest = value.partition("://")
    if not value:
        return value
    if scheme not in QUEUES or not found:  # the value may hold a password: only what stands before it is shown
        raise Invalid(
            f"begins with {scheme[:20]!r}; use redis://, rediss://, unix://, redis+sentinel://, valkey://, amqp:// or "
            "kafka://, such as redis://localhost:6379/0"
        )
    if scheme.endswith("+sentinel") and not re.fullmatch(r"([^@]*@)?([^:/,@]+:\d+,?)+(/\d*(/[^/]*)?)?", rest):
        raise Invalid("names no sentinels; use redis+sentinel://host1:26379,host2:26379/0/name-of-the-service")
    if scheme == "kafka" and not re.fullmatch(r"([^:/,@]+:\d+,?)+/?", rest):
        raise Invalid("names no brokers; use kafka://host1:9092,host2:9092")
    library, file = QUEUES[scheme]
    if library not in sys.modules and importlib.util.find_spec(library) is None:
        raise Invalid(
            f"begins with {scheme}://, which needs a library that is not installed. "
            f"Run: .venv/bin/pip install --require-hashes -r {file}"
        )
    return value


def word(value):
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", value.strip()):
        raise Invalid(f"is {value!r}; use 1 to 40 letters, digits, - and _")
    return value.strip()


def old_keys(value):
    return tuple(part.strip() for part in value.split(",") if part.strip())


def smtp_url(value):
    """The address of a mail server, or nothing: `smtp://name:password@mail.example.org:587`, or `smtps://`."""
    value = value.strip()
    if not value:
        return value
    remedy = "use smtp://name:password@mail.example.org:587, or smtps:// for TLS from the first byte"
    try:
        parts = urlsplit(value)
        whole = parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0
    except ValueError:  # the port is no number
        whole = False
    if not whole or parts.path.strip("/") or parts.query or bool(parts.username) != bool(parts.password):
        raise Invalid(f"is no address of a mail server; {remedy}")  # not shown: it may hold a password
    return value


def mail_address(value):
    value = value.strip()
    if value and not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", value):
        raise Invalid(f"is {value!r}; use a plain address, such as chat@example.org")
    return value


def provider_url(value):
    """The address of an identity provider, as it names itself: TLS, except on this machine. Nothing: there is none."""
    value = value.strip()
    if not value:
        return value
    parts = urlsplit(value)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme not in (("https", "http") if local else ("https",)) or not parts.hostname:
        raise Invalid(f"is {value!r}; use an address with https, such as https://id.example.org/realms/main")
    if "@" in parts.netloc or parts.query or parts.fragment or not value.isascii() or not value.isprintable():
        raise Invalid("holds a user name, a query or something odd; use the plain address of the issuer")
    return value


def scopes(value):
    parts = tuple(value.replace(",", " ").split())
    if "openid" not in parts or not all(re.fullmatch(r"[!#-\[\]-~]+", part) for part in parts):
        raise Invalid(f"is {value!r}; use words separated by spaces, openid among them")
    return parts


MAPPED_ROLES = ("admin", "moderator", "member", "guest")


def role_map(value):
    """`admins:admin,guests:guest` → (("admins", "admin"), ("guests", "guest")). A group's own name may hold colons."""
    found = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        group, _, role = part.rpartition(":")
        if not group.strip() or role.strip() not in MAPPED_ROLES:
            raise Invalid(
                f"holds {part!r}; use group:role, comma separated, with one of {', '.join(MAPPED_ROLES)}. "
                "Owners are made by owners alone"
            )
        found.append((group.strip(), role.strip()))
    return tuple(found)


def tenant(value):
    value = value.strip().lower()
    if value and not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        raise Invalid(f"is {value!r}; use the directory's id, such as 8eaef023-2b34-4da1-9baa-8bc8c9d6a490")
    return value


ROLES = ("web", "realtime", "jobs")


def roles(value):
    """What a process does: some of ROLES."""
    parts = [part.strip().lower() for part in value.split(",") if part.strip()]
    if not parts or not set(parts) <= set(ROLES):
        raise Invalid(f"is {value!r}; use one or more of {', '.join(ROLES)}, comma separated")
    return tuple(role for role in ROLES if role in parts)


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
    hsts_subdomains: bool = setting(
        "HSTS_SUBDOMAINS", switch, "off", "whether TLS is promised for every name below that of BASE_URL, too"
    )
    data_dir: Path = setting("DATA_DIR", Path, "data", "folder for the database, uploads and the secret key")
    database_url: str = setting("DATABASE_URL", database_url, "", "default: SQLite in DATA_DIR; or postgresql://…")
    secret_key: str = setting("SECRET_KEY", text, "", "at least 32 bytes; default: made once, kept in DATA_DIR")
    secret_key_fallbacks: tuple = setting(
        "SECRET_KEY_FALLBACKS",
        old_keys,
        "",
        "earlier secret keys, comma separated, while you replace one",
    )
    async_mode: str = setting("ASYNC_MODE", one_of("eventlet", "gevent"), "eventlet", "green threads of the server")
    fast_path: bool = setting(
        "FAST_PATH", switch, "on", "our own websockets; off: those of python-socketio, slower and without bounds"
    )
    workers: int = setting("WEB_CONCURRENCY", whole(1, 64), "1", "server processes")
    message_queue_url: str = setting(
        "MESSAGE_QUEUE_URL",
        message_queue_url,
        "",
        "what several server processes talk over: redis://, rediss://, unix://, redis+sentinel://, valkey://, amqp://, "
        "kafka://",
    )
    message_queue_channel: str = setting(
        "MESSAGE_QUEUE_CHANNEL",
        word,
        "parley",
        "how the name of the channel there begins; the rest follows from SECRET_KEY",
    )
    roles: tuple = setting("PARLEY_ROLE", roles, ",".join(ROLES), "what this process does; comma separated")
    auto_migrate: bool = setting("AUTO_MIGRATE", switch, "on", "bring the database up to date at start")
    trusted_proxies: int = setting("TRUSTED_PROXIES", whole(0, 8), "0", "how many proxies in front set X-Forwarded-*")
    graceful_timeout_seconds: int = setting("GRACEFUL_TIMEOUT", whole(1, 300), "15", "seconds a stop may take")
    smtp_url: str = setting(
        "SMTP_URL", smtp_url, "", "mail server, such as smtp://name:password@mail.example.org:587; empty: no mail"
    )
    mail_from: str = setting("MAIL_FROM", mail_address, "", "address that mail comes from")
    log_level: str = setting("LOG_LEVEL", one_of("debug", "info", "warning", "error"), "info", "how much the log says")
    access_log: bool = setting("ACCESS_LOG", switch, "off", "one line for each request, without query strings")
    metrics_token: str = setting("METRICS_TOKEN", text, "", "bearer token that may read /metrics; empty: owners only")
    bcrypt_cost: int = setting("BCRYPT_COST", whole(4, 16), "12", "work factor of password hashes")
    upload_bytes: int = setting("UPLOAD_BYTES", whole(10_000, 100_000_000), "5000000", "largest picture accepted")
    rate_limits: bool = setting("RATE_LIMITS", switch, "on", "off switches every limit off, for tests and imports")
    oidc_issuer: str = setting(
        "OIDC_ISSUER", provider_url, "", "your identity provider (OpenID Connect), as it names itself"
    )
    oidc_client_id: str = setting("OIDC_CLIENT_ID", text, "", "what this Parley is called there")
    oidc_client_secret: str = setting("OIDC_CLIENT_SECRET", text, "", "what it proves that with")
    oidc_name: str = setting("OIDC_NAME", text, "single sign-on", "what the button says: Continue with …")
    oidc_scopes: tuple = setting("OIDC_SCOPES", scopes, "openid email profile", "what to ask for")
    oidc_groups_claim: str = setting("OIDC_GROUPS_CLAIM", text, "groups", "the claim that lists a person's groups")
    oidc_role_map: tuple = setting(
        "OIDC_ROLE_MAP", role_map, "", "roles by group, looked at each time: admins:admin,guests:guest"
    )
    github_client_id: str = setting("GITHUB_CLIENT_ID", text, "", "of an OAuth app at GitHub")
    github_client_secret: str = setting("GITHUB_CLIENT_SECRET", text, "", "its secret")
    github_url: str = setting("GITHUB_URL", provider_url, "https://github.com", "or your GitHub Enterprise Server")
    google_client_id: str = setting("GOOGLE_CLIENT_ID", text, "", "of an OAuth client at Google")
    google_client_secret: str = setting("GOOGLE_CLIENT_SECRET", text, "", "its secret")
    microsoft_client_id: str = setting("MICROSOFT_CLIENT_ID", text, "", "of an app registration at Microsoft Entra")
    microsoft_client_secret: str = setting("MICROSOFT_CLIENT_SECRET", text, "", "its secret")
    microsoft_tenant: str = setting("MICROSOFT_TENANT", tenant, "", "the id of your directory there")
    gitlab_client_id: str = setting("GITLAB_CLIENT_ID", text, "", "of an application at GitLab")
    gitlab_client_secret: str = setting("GITLAB_CLIENT_SECRET", text, "", "its secret")
    gitlab_url: str = setting("GITLAB_URL", provider_url, "https://gitlab.com", "or your own GitLab")
    limit_send: Limit = setting("LIMIT_SEND", limit, "20 + 5/s", "messages of one person")
    limit_new_send: Limit = setting(
        "LIMIT_NEW_SEND", limit, "10 + 10/min", "messages of an account that counts as new: so many in that time"
    )
    limit_report: Limit = setting("LIMIT_REPORT", limit, "10 + 20/h", "messages reported by one person")
    limit_edit: Limit = setting("LIMIT_EDIT", limit, "20 + 2/s", "edits and deletions of one person")
    limit_read: Limit = setting("LIMIT_READ", limit, "60 + 10/s", "read positions of one person")
    limit_resume: Limit = setting("LIMIT_RESUME", limit, "60 + 10/s", "resume requests of one person")
    limit_room: Limit = setting("LIMIT_ROOM", limit, "30 + 20/min", "rooms created, joined, changed by one person")
    limit_change: Limit = setting(
        "LIMIT_CHANGE", limit, "30 + 20/min", "changes of one person to their profile, and invites they make"
    )
    limit_api: Limit = setting("LIMIT_API", limit, "100 + 20/s", "requests of one person below /api/v1")
    limit_token: Limit = setting("LIMIT_TOKEN", limit, "60 + 60/min", "requests for tokens from one network address")
    limit_event: Limit = setting(
        "LIMIT_EVENT", limit, "60 + 5/s", "events of one person that have no limit of their own"
    )
    limit_form: Limit = setting(
        "LIMIT_FORM", limit, "300 + 20/s", "forms and requests that change something, of one person"
    )
    limit_page: Limit = setting(
        "LIMIT_PAGE", limit, "600 + 50/s", "pages of one person, or of all strangers from one network address"
    )
    limit_stranger: Limit = setting(
        "LIMIT_STRANGER", limit, "300 + 120/min", "forms from one network address by people who are not signed in"
    )
    limit_typing: Limit = setting("LIMIT_TYPING", limit, "20 + 2/s", "typing and presence notes of one person")
    limit_sign_in: Limit = setting("LIMIT_SIGN_IN", limit, "5 + 5/min", "wrong passwords for one account")
    limit_sign_in_address: Limit = setting(
        "LIMIT_SIGN_IN_ADDRESS", limit, "30 + 100/h", "wrong passwords from one network address"
    )
    limit_second_factor: Limit = setting(
        "LIMIT_SECOND_FACTOR", limit, "10 + 20/h", "wrong codes of one person's second factor"
    )
    limit_handshake: Limit = setting(
        "LIMIT_HANDSHAKE", limit, "5000 + 2500/s", "websockets opened, by everybody together, in one process"
    )
    limit_reset: Limit = setting("LIMIT_RESET", limit, "3 + 3/h", "links for a new password, asked for one account")
    limit_reset_address: Limit = setting(
        "LIMIT_RESET_ADDRESS", limit, "10 + 20/h", "links for a new password, asked from one network address"
    )
    limit_provider: Limit = setting(
        "LIMIT_PROVIDER", limit, "30 + 60/min", "sign-ins through a provider begun from one network address"
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


PROVIDERS = {  # what each needs besides the id of the client
    "oidc": ("oidc_issuer", "oidc_client_secret"),
    "github": ("github_client_secret",),
    "google": ("google_client_secret",),
    "microsoft": ("microsoft_client_secret", "microsoft_tenant"),
    "gitlab": ("gitlab_client_secret",),
}


def half_set_providers(values):
    """What is missing of identity providers of which something is set."""
    for provider, needed in PROVIDERS.items():
        names = (f"{provider}_client_id", *needed)
        missing = [name.upper() for name in names if not values[name]]
        if 0 < len(missing) < len(names):
            given = next(name.upper() for name in names if values[name])
            yield f"{given} is set, but not {' and '.join(missing)}. Set all of them, or none: see docs/sign-in.md"


MOST_ON_SQLITE = 4  # server processes; six that all write were slower together than one alone
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
    if not problems:
        problems += half_set_providers(values)
    if problems:
        raise ConfigError(problems)
    if values["workers"] > 1 and not values["message_queue_url"]:
        raise ConfigError(
            [
                f"WEB_CONCURRENCY is {values['workers']}, but MESSAGE_QUEUE_URL is empty: several processes need a "
                "message queue between them. Set MESSAGE_QUEUE_URL=redis://localhost:6379/0, or WEB_CONCURRENCY=1"
            ]
        )
    if values["workers"] > MOST_ON_SQLITE and values.get("database_url", "sqlite").startswith("sqlite"):
        raise ConfigError(
            [
                f"WEB_CONCURRENCY is {values['workers']}, but with SQLite one process writes at a time, and more than "
                f"{MOST_ON_SQLITE} wait for each other too long. Set DATABASE_URL=postgresql://…, or "
                f"WEB_CONCURRENCY={MOST_ON_SQLITE}"
            ]
        )
    if values["smtp_url"] and not values["mail_from"]:
        raise ConfigError(["SMTP_URL is set, but MAIL_FROM is empty. Set it to the address that mail comes from"])
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
