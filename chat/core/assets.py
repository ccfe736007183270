"""The files of static/, under addresses that hold a hash of what is in them, so that browsers may keep them for ever.

`js/app.js` is served as /static/js/app.<hash>.js and nowhere else. The stylesheets are joined into one. Modules find
each other through an import map: `parley/models/stream` is static/js/models/stream.js, wherever its hash puts it. All
of it is read, joined and compressed once, when the server starts; with `app.debug` again whenever a file has changed.
"""

import base64
import gzip
import hashlib
import json
import mimetypes
import posixpath
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, request
from markupsafe import Markup

STATIC = Path(__file__).parents[2] / "static"
FIRST_SHEETS, LAST_SHEETS = ("layers", "tokens", "reset", "base", "layout"), ("utilities",)
VENDORED = {
    "@hotwired/turbo": "vendor/turbo.js",
    "@hotwired/stimulus": "vendor/stimulus.js",
    "socket.io-client": "vendor/socket.io.js",
}
ENTRY = "js/app.js"
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
COMPRESSED = ("text/", "image/svg+xml", "application/json", "application/manifest+json")
FOR_EVER = "public, max-age=31536000, immutable"

IMPORT = re.compile(r"""^\s*(?:import|export)\b[^"'()]*?["']([^"']+)["']""", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
MARGIN = re.compile(r"^[ \t]*(//.*)?", re.MULTILINE)

bp = Blueprint("static", __name__)


@dataclass(frozen=True)
class Asset:
    """One response: `url` names it and its content."""

    url: str
    body: bytes
    type: str

    @cached_property
    def gzipped(self):
        """The body compressed, or None when that is not worth it."""
        if not self.type.startswith(COMPRESSED):
            return None
        packed = gzip.compress(self.body, 9, mtime=0)
        return packed if len(packed) < len(self.body) else None


class Assets:
    """Everything in one folder of static files, as it was when this was made."""

    def __init__(self, folder=STATIC):
        self.folder = Path(folder)
        self.signature = signature(self.folder)
        self.by_name = {name: make(name, self.read(name)) for name in self.names() if not name.startswith("css/")}
        self.import_lines = {name: IMPORT.findall(asset.body.decode()) for name, asset in self.modules()}
        self.by_name["css/parley.css"] = make("css/parley.css", self.joined_stylesheet())
        self.by_url = {asset.url: asset for asset in self.by_name.values()}
        for asset in self.by_url.values():
            asset.gzipped  # noqa: B018  compress now rather than while somebody waits
        self.import_map = json.dumps({"imports": self.imports()}, separators=(",", ":")).replace("<", "\\u003c")
        digest = hashlib.sha256(self.import_map.encode()).digest()
        self.import_map_hash = "sha256-" + base64.b64encode(digest).decode()

    def names(self):
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and path.suffix not in (".md", ".mjs", "") and "/." not in f"/{name}":
                yield name

    def read(self, name):
        """What is sent for a file. Our own modules lose margins and remarks; their lines keep their numbers."""
        body = (self.folder / name).read_bytes()
        if not name.startswith("js/") or not name.endswith(".js"):
            return body
        text = body.decode()
        several_lines = any(line.count("`") % 2 for line in text.splitlines())  # there a margin may mean something
        return body if several_lines else MARGIN.sub("", text).encode()

    def modules(self):
        return [(n, asset) for n, asset in self.by_name.items() if n.startswith("js/") and n.endswith(".js")]

    def joined_stylesheet(self):
        """Every stylesheet in the order of the layers: general ones, components by name, utilities."""
        sheets = {path.stem: path for path in (self.folder / "css").glob("*.css")}
        components = sorted((self.folder / "css" / "components").glob("*.css"))
        order = [sheets[name] for name in FIRST_SHEETS if name in sheets]
        order += components + [sheets[name] for name in LAST_SHEETS if name in sheets]
        text = COMMENT.sub("", "\n".join(path.read_text() for path in order))
        return "\n".join(line.strip() for line in text.splitlines() if line.strip()).encode() + b"\n"

    def url(self, name):
        if name not in self.by_name:
            raise LookupError(f"There is no static/{name}.")
        return self.by_name[name].url

    def imports(self):
        """Bare names of modules, and plain addresses that relative imports come out at, with where they really are."""
        found = {bare: self.url(name) for bare, name in VENDORED.items() if name in self.by_name}
        modules = [name for name, _ in self.modules()]
        for name in modules:
            found["parley/" + name.removeprefix("js/").removesuffix(".js")] = self.url(name)
        for name in modules:
            for target in self.imported_by(name):
                if target in self.by_name:
                    found[f"/static/{target}"] = self.url(target)
        return found

    def imported_by(self, name, *, relative=True):
        """The names in static/ that a module imports: by relative address, or by bare name."""
        for specifier in self.import_lines[name]:
            if specifier.startswith((".", "/")):
                if relative:
                    address = posixpath.normpath(posixpath.join("/static", posixpath.dirname(name), specifier))
                    yield address.removeprefix("/static/")
            elif not relative:
                yield VENDORED.get(specifier) or f"js/{specifier.removeprefix('parley/')}.js"

    @cached_property
    def module_preloads(self):
        """Addresses of all modules that the entry needs, at any depth, so that the browser asks for them at once."""
        seen, ahead = [], [ENTRY]
        while ahead:
            name = ahead.pop(0)
            if name in self.by_name and name not in seen:
                seen.append(name)
                ahead += (
                    []
                    if name.startswith("vendor/")
                    else [*self.imported_by(name), *self.imported_by(name, relative=False)]
                )
        return [self.url(name) for name in seen[1:]]


def make(name, body):
    """The Asset of a file: its hash goes before the suffix."""
    stem, dot, suffix = name.rpartition(".")
    digest = hashlib.sha256(body).hexdigest()[:12]
    kind = TYPES.get(dot + suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(f"/static/{stem}.{digest}.{suffix}", body, kind)


def signature(folder):
    """Changes whenever a file in `folder` does."""
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


def init_app(app, folder=STATIC):
    """Read the static files, serve them, and give templates the functions below.

    The app must have been made with `static_folder=None`: its own route would serve the files unhashed.
    """
    app.extensions["assets"] = Assets(folder)
    app.register_blueprint(bp)
    app.jinja_env.globals.update(
        asset=asset_url,
        stylesheet=stylesheet,
        accent_stylesheet=accent_stylesheet,
        import_map=import_map,
        module_preloads=module_preloads,
        has_asset=has_asset,
    )


def assets():
    current = current_app.extensions["assets"]
    if current_app.debug and signature(current.folder) != current.signature:
        current = current_app.extensions["assets"] = Assets(current.folder)
    return current


def asset_url(name):
    """The address of static/`name`. Raises LookupError when there is no such file."""
    return assets().url(name)


def has_asset(name):
    """Whether there is a static/`name`."""
    return name in assets().by_name


def stylesheet():
    """The address of all stylesheets in one."""
    return assets().url("css/parley.css")


def accent_stylesheet(hue):
    """The address of the few bytes that give the community its colour, so that no style attribute has to."""
    return f"/static/accent-{int(hue)}.css"


def import_map():
    """The import map's JSON, for a script element that holds nothing else: its hash is what the policy allows."""
    return Markup(assets().import_map)  # noqa: S704  our own JSON, with < escaped


def import_map_hash():
    """The import map's `sha256-…`, for script-src in the content security policy."""
    return assets().import_map_hash


def module_preloads():
    return assets().module_preloads


@bp.get("/static/accent-<int:hue>.css")
def accent(hue):
    if hue >= 360:
        abort(404)
    return served(Asset(request.path, f"@layer base{{:root{{--hue-accent:{hue}}}}}".encode(), "text/css"))


@bp.get("/static/<path:path>")
def asset(path):
    return served(assets().by_url.get(f"/static/{path}") or abort(404))


def served(found):
    packed = found.gzipped if request.accept_encodings.quality("gzip") else None
    response = Response(packed or found.body, mimetype=found.type)
    response.headers["Cache-Control"] = FOR_EVER
    response.headers["Content-Security-Policy"] = "default-src 'none'"  # short: it comes with every module
    if found.gzipped:
        response.vary.add("Accept-Encoding")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    return response
