"""The files of static/, under addresses that hold a hash of what is in them, so that browsers may keep them for ever.

`js/app.js` is served as /static/js/app.<hash>.js and nowhere else. Modules find each other through an import map:
`parley/models/stream` is static/js/models/stream.js, wherever its hash puts it. Stylesheets are joined into one, and so
are our own modules: 45 of them in one answer are a third smaller and come sooner. All of it is read, joined and
compressed once, when the server starts; other people's code lies there compressed better than Python can (`.br`). With
`app.debug` modules stay apart, and a changed file has a new address.
"""

import base64
import gzip
import hashlib
import json
import logging
import mimetypes
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, request
from markupsafe import Markup

from chat.core.headers import NO_DOCUMENT
from chat.core.policies import open_to

STATIC = Path(__file__).parents[2] / "static"
OUTSIDE_ROOMS = ("admin", "codes", "gate", "qr", "reference", "report", "tabs")  # components
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

IMPORT = re.compile(r"""^import\s+(?:([^"';]+?)\s+from\s+)?["']([^"']+)["'];?$""", re.MULTILINE)
EXPORT = re.compile(
    r"^export (?P<default>default )?(?=(?:async )?(?:function\*?|class|const)\b(?: (?!extends\b)(?P<name>\w+))?)",
    re.MULTILINE,
)
LATER = re.compile(r"""\bimport\("(parley/[\w/]+)"\)""")
BEYOND_JOINING = re.compile(
    r"^(?:import|export)\b.*"  # in a form that the two above do not know
    r"|^.*\bimport(?:\.meta|\s*\((?!\"parley/[\w/]+\"\))).*"
    r"|^(?!.*\basync\b)(?=\S).*\bawait\b.*"  # outside a function
    r"|^.*\b_(?:m\d+|default)\b.*",  # our own names
    re.MULTILINE,
)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
MARGIN = re.compile(r"^[ \t]*(//.*)?", re.MULTILINE)

log = logging.getLogger(__name__)
bp = Blueprint("static", __name__)


class Unjoinable(Exception):
    """A module is written in a way that joining does not know. They are then sent one by one, which always works."""


@dataclass(frozen=True)
class Asset:
    """One response: `url` names it and its content."""

    url: str
    body: bytes
    type: str
    brotli: bytes | None = None  # the body in a tighter packing, from the file beside it

    @cached_property
    def gzipped(self):
        """The body compressed, or None when that is not worth it."""
        if not self.type.startswith(COMPRESSED):
            return None
        packed = gzip.compress(self.body, 9, mtime=0)
        return packed if len(packed) < len(self.body) else None


class Assets:
    """Everything in one folder of static files, as it was when this was made."""

    def __init__(self, folder=STATIC, *, join=True):
        self.folder = Path(folder)
        self.signature = signature(self.folder)
        plain = [name for name in self.names() if not name.startswith("css/")]
        self.by_name = {name: make(name, self.read(name), self.packed(name)) for name in plain}
        self.order = self.in_order(ENTRY) if ENTRY in self.by_name else []
        self.is_joined = join and self.join_modules()
        for name, body in self.joined_stylesheets():
            self.by_name[name] = make(name, body)
        self.by_url = {asset.url: asset for asset in self.by_name.values()}
        for asset in self.by_url.values():
            asset.gzipped  # noqa: B018  compress now rather than while somebody waits
        self.import_map = json.dumps({"imports": self.imports()}, separators=(",", ":")).replace("<", "\\u003c")
        digest = hashlib.sha256(self.import_map.encode()).digest()
        self.import_map_hash = "sha256-" + base64.b64encode(digest).decode()

    def names(self):
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and path.suffix not in (".md", ".mjs", ".br", "") and "/." not in f"/{name}":
                yield name

    def read(self, name):
        body = (self.folder / name).read_bytes()
        return slim(body.decode()).encode() if is_own(name) else body

    def packed(self, name):
        path = self.folder / f"{name}.br"
        return path.read_bytes() if path.exists() else None

    def joined_stylesheets(self):
        """(name, text) of all stylesheets in the order of the layers: general ones, components by name, utilities; and
        of what a room shows none of, which is not sent with it."""
        sheets = {path.stem: path for path in (self.folder / "css").glob("*.css")}
        components = sorted((self.folder / "css" / "components").glob("*.css"))
        first = [sheets[name] for name in FIRST_SHEETS if name in sheets]
        last = [sheets[name] for name in LAST_SHEETS if name in sheets]
        in_rooms = [path for path in components if path.stem not in OUTSIDE_ROOMS]
        yield "css/parley.css", joined_sheets([*first, *in_rooms, *last])
        yield "css/outside.css", joined_sheets([path for path in components if path.stem in OUTSIDE_ROOMS])

    def url(self, name):
        if name not in self.by_name:
            raise LookupError(f"There is no static/{name}.")
        return self.by_name[name].url

    def imports(self):
        """The bare names of all modules, with where they are."""
        return {bare_name(name): self.url(name) for name in self.by_name if is_own(name) or name in VENDORED.values()}

    def in_order(self, name, seen=()):
        """The modules that `name` needs and itself, each after those it imports: as browsers run them."""
        found = []
        for target in self.imported_by(name) if is_own(name) else ():
            if target in self.by_name and target not in found and target not in (*seen, name):
                found += [n for n in self.in_order(target, (*seen, name)) if n not in found]
        return [*found, name]

    def imported_by(self, name):
        return [file_name(bare) for _, bare in IMPORT.findall(self.by_name[name].body.decode())]

    @property
    def module_preloads(self):
        """Addresses of all modules that the entry needs, at any depth, so that the browser asks for them at once."""
        return [self.url(name) for name in self.order if name in self.by_name and name != ENTRY]

    def join_modules(self):
        """Put what the entry needs of our own into the entry, and say whether that was possible.

        Modules of others stay apart, those that have to run before them, and those that are imported later, if at all,
        which take from the entry what it holds.
        """
        first = next((i for i, name in enumerate(self.order) if not is_own(name)), 0)
        apart = [name for i, name in enumerate(self.order) if i < first or not is_own(name)]
        try:
            texts = {name: (self.folder / name).read_text() for name in self.order}
            later = self.later_than(texts)
            taken = {target for name in later for target in self.imported_by(name)} - {*apart}
            entry = joined(texts, apart, taken)
            for name, text in later.items():
                text = IMPORT.sub(lambda match: from_entry(match, numbered(texts), taken), text)
                self.by_name[name] = make(name, slim(text).encode())
        except Unjoinable as reason:
            log.warning("Modules are sent one by one: %s", reason)
            return False
        self.by_name = {
            name: asset for name, asset in self.by_name.items() if not is_own(name) or name in (*apart, *later)
        }
        self.by_name[ENTRY] = make(ENTRY, entry.encode())
        return True

    def later_than(self, texts):
        """{name: text} of what these modules ({name: text}) import later, and what that does. Raises Unjoinable."""
        later, reading = {}, [*texts.values()]
        while reading:
            for name in map(file_name, LATER.findall(reading.pop())):
                if name in later:
                    continue
                if name not in self.by_name or name in texts or not set(self.imported_by(name)) <= texts.keys():
                    raise Unjoinable(f"{name} comes later, but is missing, needed at once, or needs what is not there.")
                later[name] = (self.folder / name).read_text()
                reading.append(later[name])
        return later


def is_own(name):
    return name.startswith("js/") and name.endswith(".js")


def bare_name(name):
    """`parley/models/stream` for js/models/stream.js; others' modules have the names they gave themselves."""
    vendored = {file: bare for bare, file in VENDORED.items()}
    return vendored.get(name) or "parley/" + name.removeprefix("js/").removesuffix(".js")


def file_name(bare):
    return VENDORED.get(bare) or f"js/{bare.removeprefix('parley/')}.js"


def slim(text):
    """A module of ours without margins and remarks, each line where it was. Not if a text runs over several lines."""
    if any(line.count("`") % 2 for line in text.splitlines()):
        return text
    return MARGIN.sub("", text)


def joined_sheets(paths):
    text = COMMENT.sub("", "\n".join(path.read_text() for path in paths))
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()).encode() + b"\n"


def numbered(modules):
    """The name that each module has within the entry, {name of the file: name}."""
    return {name: f"_m{number}" for number, name in enumerate(modules)}


def from_entry(match, given, taken):
    """An import of a module that is in the entry, as one that takes it from there. Raises Unjoinable."""
    what, source = match[1], file_name(match[2])
    if source not in taken:
        return match[0]
    constant = constants(what, given[source], None)
    return "\n".join([f'import {{ {given[source]} }} from "{bare_name(ENTRY)}"', *constant])


def joined(modules, apart, exported=()):
    """One module that does what `modules` ({name: text}, in the order they run) do; `apart` are imported, not copied.
    It exports those that are `exported`, by the names they have in it.

    Each becomes a function that is called at once and returns what the module exports: the same thing as long as no two
    import each other and nobody exports what changes later. Raises Unjoinable where it might not be.
    """
    given = numbered(modules)
    parts = [f'import * as {given[name]} from "{bare_name(name)}"' for name in apart]
    exports = {}
    for name, text in modules.items():
        if name in apart:
            continue
        if found := BEYOND_JOINING.search(EXPORT.sub("", IMPORT.sub("", text))):
            raise Unjoinable(f"{name} says {found[0]!r}.")
        taken, own = [], []
        for what, bare in IMPORT.findall(text):
            source = file_name(bare)
            if source not in exports and source not in apart:
                raise Unjoinable(f"{name} and {source} import each other, or one is missing.")
            taken += constants(what, given[source], exports.get(source))
        for match in EXPORT.finditer(text):
            if not match["default"] and not match["name"]:
                raise Unjoinable(f"{name} exports several things at once.")
            own.append(f"default: {match['name'] or '_default'}" if match["default"] else match["name"])
        body = EXPORT.sub(lambda match: "const _default = " if not match["name"] else "", IMPORT.sub("", text))
        exports[name] = own
        parts += [f"const {given[name]} = (() => {{", *taken, slim(body), f"return {{ {', '.join(own)} }}", "})()"]
    if exported:
        parts.append(f"export {{ {', '.join(given[name] for name in modules if name in exported)} }}")
    return "\n".join(line for part in parts for line in part.splitlines() if line) + "\n"


def constants(what, given, exports):
    """`{ a, b as c }`, `Name` or `* as Name` of an import, as constants. `exports`: what there is to take, if known."""
    if not what:
        return []
    if what.startswith("* as "):
        return [f"const {what.removeprefix('* as ')} = {given}"]
    if not what.startswith("{"):
        return [f"const {what} = {given}.default"]
    names = [name.split(" as ") for name in re.findall(r"\w+(?: as \w+)?", what)]
    if missing := [name[0] for name in names if exports is not None and name[0] not in exports]:
        raise Unjoinable(f"Nobody exports {missing}.")
    return [f"const {{ {', '.join(': '.join(name) for name in names)} }} = {given}"]


def make(name, body, brotli=None):
    """The Asset of a file: its hash goes before the suffix."""
    stem, dot, suffix = name.rpartition(".")
    digest = hashlib.sha256(body).hexdigest()[:12]
    kind = TYPES.get(dot + suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(f"/static/{stem}.{digest}.{suffix}", body, kind, brotli)


def signature(folder):
    """Changes whenever a file in `folder` does."""
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


@lru_cache(maxsize=4)
def read_once(folder, join, _signature):
    """The Assets of a folder as it is now; applications in one process, as in tests, share them."""
    return Assets(folder, join=join)


def init_app(app, folder=STATIC):
    """Read the static files, serve them, and give templates the functions below.

    The app must have been made with `static_folder=None`: its own route would serve the files unhashed.
    """
    app.extensions["assets"] = read_once(Path(folder), not app.debug, frozenset(signature(folder).items()))
    app.register_blueprint(bp)
    app.jinja_env.globals.update(
        asset=asset_url,
        stylesheet=stylesheet,
        outside_stylesheet=outside_stylesheet,
        accent_stylesheet=accent_stylesheet,
        import_map=import_map,
        module_preloads=module_preloads,
        has_asset=has_asset,
    )


def assets():
    current = current_app.extensions["assets"]
    if current_app.debug and signature(current.folder) != current.signature:
        current = current_app.extensions["assets"] = Assets(current.folder, join=False)
    return current


def asset_url(name):
    """The address of static/`name`. Raises LookupError when there is no such file."""
    return assets().url(name)


def has_asset(name):
    """Whether there is a static/`name`."""
    return name in assets().by_name


def stylesheet():
    """The address of the stylesheet that every page has."""
    return assets().url("css/parley.css")


def outside_stylesheet():
    """The address of what pages other than rooms have besides."""
    return assets().url("css/outside.css")


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
@open_to("anyone: a stylesheet")
def accent(hue):
    if hue >= 360:
        abort(404)
    return served(Asset(request.path, f"@layer base{{:root{{--hue-accent:{hue}}}}}".encode(), "text/css"))


@bp.get("/static/<path:path>")
@open_to("anyone: the files of static/")
def asset(path):
    return served(assets().by_url.get(f"/static/{path}") or abort(404))


def served(found):
    packings = {"br": found.brotli, "gzip": found.gzipped}
    coding = next((c for c, packed in packings.items() if packed and request.accept_encodings.quality(c)), None)
    response = Response(packings[coding] if coding else found.body, mimetype=found.type)
    response.headers["Cache-Control"] = FOR_EVER
    response.headers["Content-Security-Policy"] = NO_DOCUMENT  # short: it comes with every module
    if any(packings.values()):
        response.vary.add("Accept-Encoding")
    if coding:
        response.headers["Content-Encoding"] = coding
    return response
