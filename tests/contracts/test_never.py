"""What no part of Parley does, whoever adds to it: read in the code, and asked of every address."""

import ast
import re
from pathlib import Path

import pytest

from tests.contracts.test_security import addresses

ROOT = Path(__file__).parents[2]
CODE = sorted([*(ROOT / "chat").rglob("*.py"), ROOT / "config.py", ROOT / "gunicorn.conf.py", ROOT / "app.py"])
SCRIPT = sorted((ROOT / "static/js").rglob("*.js"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
BANNED = {
    "pickle": "runs what it reads", "marshal": "runs what it reads", "shelve": "runs what it reads",
    "subprocess": "no program is started", "ctypes": "no memory is touched", "xml": "no XML is read",
    "lxml": "no XML is read", "yaml": "no YAML is read", "ldap3": "there is no LDAP",
}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__", "system", "popen", "render_template_string", "from_string", "md5"}
ONLY_JITTER = {"realtime/bus/queued.py", "realtime/live.py", "core/db.py", "cli/seed.py", "cli/flood.py"}
RENDERED = {"attrs", "message.html", "edit.html"}  # attributes of our own templates; what formatting.py cleaned


def nodes(path):
    return ast.walk(ast.parse(path.read_text()))


def called(node):
    """The last name of what is called: `loads` of `orjson.loads(…)`; `.compile` is that of a pattern or a statement."""
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) and node.func.attr != "compile" else None


def imports(path):
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_dangerous_is_imported_or_called(path):
    found = set(imports(path)) & set(BANNED) | {called(n) for n in nodes(path) if isinstance(n, ast.Call)} & CALLS

    assert not found, {name: BANNED.get(name, "runs or opens what it is given") for name in found}


def test_what_nobody_may_guess_does_not_come_from_random():
    using = {path.relative_to(ROOT / "chat").as_posix() for path in CODE if "random" in set(imports(path))}

    assert using <= ONLY_JITTER  # pauses between attempts, and invented people


def test_templates_escape_everything_but_what_was_cleaned():
    safe = {m for path in TEMPLATES for m in re.findall(r"([\w.]+)\s*\|\s*safe", path.read_text())}
    text = "".join(path.read_text() for path in TEMPLATES)

    assert safe <= RENDERED
    assert "autoescape" not in text


def test_the_database_is_asked_with_bound_values_alone():
    for path in CODE:
        for node in nodes(path):
            if isinstance(node, ast.Call) and called(node) in ("text", "execute", "scalar", "scalars") and node.args:
                first = node.args[0]
                assert not isinstance(first, ast.BinOp), f"{path}:{node.lineno}"
                if isinstance(first, ast.JoinedStr):  # settings of SQLite, whose names and values are ours
                    assert str(first.values[0].value).startswith("PRAGMA "), f"{path}:{node.lineno}"


def test_no_pattern_is_made_of_what_people_type():
    """Patterns that are put together are so where a module begins, of constants of ours. What somebody types would
    decide how long matching takes."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    for path in CODE:
        for node in (inner for outer in nodes(path) if isinstance(outer, functions) for inner in ast.walk(outer)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("re.", "regex.")):
                assert ast.unparse(node.func) == "re.escape" or isinstance(node.args[0], ast.Constant), (
                    f"{path}:{node.lineno}"
                )


def test_the_browser_keeps_nothing_beyond_the_tab_but_what_is_unsent():
    for path in SCRIPT:
        text = path.read_text()
        assert "localStorage" not in text, path
        assert "sessionStorage" not in text or path.name == "memory.js", path
        assert "indexedDB" not in text or path.name == "outbox_store.js", path
        assert "document.cookie" not in text or path.name == "theme.js", path


def test_pages_listen_to_no_other_window():
    for path in SCRIPT:
        assert not re.search(r"(window|parent|opener|top)\.postMessage|addEventListener\(.message", path.read_text()), (
            path
        )


def test_passwords_are_masked_and_may_be_pasted(app, client, sign_in, alice):
    seen = 0
    for browser in (client, sign_in(alice)):
        for path in ("/login", "/settings/security", "/settings/email", "/settings/close", "/confirm", "/recover"):
            for field in re.findall(r"<input[^>]*password[^>]*>", browser.get(path).text):
                assert 'type="password"' in field, (path, field)
                assert re.search(r'autocomplete="(current|new)-password"', field), (path, field)
                assert not re.search(r"onpaste|maxlength|pattern", field), (path, field)
                seen += 1
    assert seen >= 6
    assert not [path for path in (*SCRIPT, *TEMPLATES) if "paste" in path.read_text() and "password" in path.name]


def test_every_answer_says_what_it_is_and_in_which_letters(app, sign_in, alice):
    window = sign_in(alice)
    for _endpoint, path in addresses(app, "GET"):
        answer = window.get(path)
        kind = answer.headers.get("Content-Type", "")
        if not answer.is_streamed and answer.data:
            assert kind, path
            assert "charset=utf-8" in kind or not re.search(r"^text/|\+xml|/xml", kind), (path, kind)


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PUT", "PROPFIND"])
def test_other_methods_are_refused(client, method):
    for path in ("/", "/login", "/api/v1/me"):
        answer = client.open(path, method=method, headers={"X-Echo": "canary"})
        assert answer.status_code == 405, path
        assert "canary" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static/js/", "/avatars/", "/.git/HEAD", "/.env", "/data/secret_key", "/config.py", "/console"],
)
def test_no_folder_is_listed_and_no_file_served_that_is_not_for_browsers(app, client, path):
    assert client.get(path).status_code == 404
    assert not app.debug


def test_a_session_ends_at_the_door_with_the_pages_that_the_browser_kept(sign_in, alice):
    answer = sign_in(alice).post("/logout")

    assert answer.headers["Clear-Site-Data"] == '"cache"'
    assert "parley_session=;" in answer.headers["Set-Cookie"]
