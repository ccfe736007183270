"""What the application stands on, imported once, in gunicorn's master process: a worker then has only the application
itself to load, and one that takes a dead one's place is there three times as soon.

The application stays out of it. Every worker loads it anew, so a HUP brings the program as it is on the disk.

The standard library must be green before a library takes a name from it (`from threading import Lock`), so the master
is patched as well. It has no event loop that could run meanwhile, though, and really waits: what gunicorn's arbiter
knows of the standard library is put back to what it was.
"""

import gc
import importlib
from types import ModuleType

from chat.server import async_mode

NAMES = (
    "alembic.script", "authlib.oauth2.client", "authlib.oidc.core", "bcrypt", "cryptography.fernet",
    "cryptography.hazmat.primitives.ciphers.aead", "cryptography.hazmat.primitives.kdf.hkdf", "dotenv",
    "email_validator", "emoji", "flask_login", "flask_migrate", "flask_smorest", "flask_socketio",
    "flask_sqlalchemy", "flask_wtf.file", "joserfc.jwt", "jwt", "markdown_it", "nh3", "orjson", "PIL.ImageOps",
    "prometheus_client", "pygments.formatters", "pygments.lexers", "pyotp", "redis.sentinel", "segno", "socketio",
    "sqlalchemy.dialects.sqlite", "webargs.flaskparser", "webauthn", "zxcvbn",
)  # fmt: skip
WAITING = {"gunicorn.arbiter": ("os", "queue", "signal", "socket", "time"), "gunicorn.sock": ("os", "socket", "time")}
_loaded = False


def load():
    """Import NAMES, once, under the patches of `async_mode.mode()`. Call it in the master, before it has forked."""
    global _loaded
    if _loaded:  # gunicorn reads its configuration again at a HUP
        return
    waiting = [(importlib.import_module(place), name) for place, names in WAITING.items() for name in names]
    before = [_as_it_is(getattr(place, name)) for place, name in waiting]
    async_mode.patch()
    for (place, name), module in zip(waiting, before, strict=True):
        setattr(place, name, module)
    gc.disable()  # nothing that is imported is garbage, and looking for it takes a third of the time
    for name in NAMES:
        importlib.import_module(name)
    gc.freeze()  # workers share this memory as long as nobody writes to it, as the collector would
    gc.enable()
    _loaded = True


def _as_it_is(module):
    copy = ModuleType(module.__name__, module.__doc__)
    copy.__dict__.update(vars(module))
    return copy
