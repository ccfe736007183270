import base64
import gzip
import hashlib
import json

import pytest
from flask import Flask, render_template_string

from chat.core import assets


@pytest.fixture
def folder(tmp_path):
    files = {
        "css/layers.css": "@layer base, components;",
        "css/utilities.css": ".grow { flex: 1 }",
        "css/tokens.css": "/* why */\n:root { --a: 1 }",
        "css/components/button.css": "@layer components { .button { color: red } }",
        "js/app.js": 'import { Application } from "@hotwired/stimulus"\nimport "parley/models/stream"\n',
        "js/models/stream.js": 'import { gap as hole } from "parley/models/gap"\n' + "hole()\n" * 50,
        "js/models/gap.js": "export const gap = () => 1\n",
        "js/controllers/unused.js": "",
        "vendor/stimulus.js": "export class Application {}",
        "icons/favicon.svg": "<svg/>",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def bare_app(folder):
    app = Flask(__name__, static_folder=None)
    app.debug = True  # modules apart
    assets.init_app(app, folder)
    return app


@pytest.fixture
def browser(bare_app):
    return bare_app.test_client()


def draw(app, template):
    with app.test_request_context():
        return render_template_string(template)


def test_an_address_holds_the_hash_of_the_content_and_may_be_kept_for_ever(bare_app, browser, folder):
    url = draw(bare_app, '{{ asset("js/app.js") }}')
    digest = hashlib.sha256((folder / "js/app.js").read_bytes()).hexdigest()[:12]
    answer = browser.get(url)

    assert url == f"/static/js/app.{digest}.js"
    assert answer.data == (folder / "js/app.js").read_bytes()  # it has neither margins nor remarks
    assert answer.content_type == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", [
    "js/app.js", "js/app.000000000000.js", "css/tokens.css", "../config.py", "accent-360.css", "accent-x.css", "",
])  # fmt: skip
def test_nothing_is_served_without_its_own_hash(browser, path):
    assert browser.get(f"/static/{path}").status_code == 404


def test_modules_lose_their_margins_and_remarks_but_no_line(bare_app, browser, folder):
    for before, after in [
        ("// Why.\nif (a) {\n  b() // kept\n}\n", "\nif (a) {\nb() // kept\n}\n"),
        ("const a = `\n  // kept\n`\n", "const a = `\n  // kept\n`\n"),
    ]:
        (folder / "js/app.js").write_text(before)
        assert browser.get(draw(bare_app, '{{ asset("js/app.js") }}')).text == after


def test_text_is_compressed_for_those_who_can_read_it(bare_app, browser, folder):
    url = draw(bare_app, '{{ asset("js/models/stream.js") }}')
    plain, packed = browser.get(url), browser.get(url, headers={"Accept-Encoding": "br, gzip"})

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"


def test_the_stylesheets_are_one_in_the_order_of_the_layers(bare_app, browser):
    text = browser.get(draw(bare_app, "{{ stylesheet() }}")).text

    assert text.splitlines() == [
        "@layer base, components;", ":root { --a: 1 }",
        "@layer components { .button { color: red } }", ".grow { flex: 1 }",
    ]  # fmt: skip


def test_what_rooms_show_none_of_is_a_stylesheet_of_its_own(app, client):
    everywhere, outside = (
        client.get(draw(app, "{{ stylesheet() }}")).text,
        client.get(draw(app, "{{ outside_stylesheet() }}")).text,
    )

    assert ".message" in everywhere and ".chart" not in everywhere
    assert ".chart" in outside and ".message" not in outside


def test_the_accent_of_a_community_is_a_stylesheet(bare_app, browser):
    answer = browser.get(draw(bare_app, "{{ accent_stylesheet(280) }}"))

    assert answer.text == "@layer base{:root{--hue-accent:280}}"
    assert "immutable" in answer.headers["Cache-Control"]


def test_the_import_map_knows_every_module_and_the_policy_knows_the_map(bare_app, browser):
    text = draw(bare_app, "{{ import_map() }}")
    imports = json.loads(text)["imports"]

    assert {"@hotwired/stimulus", "parley/app", "parley/models/stream", "parley/controllers/unused"} <= imports.keys()
    assert all(browser.get(url).status_code == 200 for url in imports.values())
    with bare_app.app_context():
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert assets.import_map_hash() == f"sha256-{digest}"


def test_what_the_first_view_imports_is_asked_for_at_once(bare_app):
    urls = draw(bare_app, "{{ module_preloads()|join(' ') }}")

    assert [url.rpartition("/")[2].partition(".")[0] for url in urls.split()] == ["stimulus", "gap", "stream"]


def test_while_developing_a_changed_file_has_a_new_address(bare_app, folder):
    before = draw(bare_app, '{{ asset("js/app.js") }}')
    (folder / "js/app.js").write_text("another()\n")

    bare_app.debug = False
    assert draw(bare_app, '{{ asset("js/app.js") }}') == before
    bare_app.debug = True
    assert draw(bare_app, '{{ asset("js/app.js") }}') != before


def test_in_production_our_own_modules_are_one(folder):
    found = assets.Assets(folder)

    assert found.is_joined
    assert found.by_name["js/app.js"].body.decode().splitlines() == [
        'import * as _m0 from "@hotwired/stimulus"',
        "const _m1 = (() => {", "const gap = () => 1", "return { gap }", "})()",
        "const _m2 = (() => {", "const { gap: hole } = _m1", *["hole()"] * 50, "return {  }", "})()",
        "const _m3 = (() => {", "const { Application } = _m0", "return {  }", "})()",
    ]  # fmt: skip
    assert json.loads(found.import_map)["imports"].keys() == {"@hotwired/stimulus", "parley/app"}
    assert found.module_preloads == [found.url("vendor/stimulus.js")]


def test_what_has_to_run_before_anothers_module_stays_before_it(folder):
    (folder / "js/early.js").write_text("early()\n")
    app = (folder / "js/app.js").read_text()
    (folder / "js/app.js").write_text('import "parley/early"\n' + app)

    text = assets.Assets(folder).by_name["js/app.js"].body.decode()

    assert text.startswith('import * as _m0 from "parley/early"\nimport * as _m1 from "@hotwired/stimulus"\n')
    assert "early()" not in text


@pytest.mark.parametrize("line", [
    'export { gap } from "parley/models/gap"', "export let changing = 1", "export const { a, b } = both()",
    'const later = await import("parley/models/gap")', "await something()", 'import "parley/app"',
    'import { nothing } from "parley/models/gap"', "const _m1 = 1",
])  # fmt: skip
def test_what_cannot_be_joined_for_certain_is_sent_module_by_module(folder, line):
    with open(folder / "js/models/stream.js", "a") as file:
        file.write(line + "\n")

    found = assets.Assets(folder)

    assert not found.is_joined
    assert "parley/models/stream" in json.loads(found.import_map)["imports"]


@pytest.fixture
def asking(folder):
    """The folder, with a module that imports `parley/rare` later."""
    with open(folder / "js/models/stream.js", "a") as file:
        file.write('async function find() { return import("parley/rare") }\n')
    return folder


def test_what_is_imported_later_stays_apart(asking):
    (asking / "js/rare.js").write_text('import "@hotwired/stimulus"\nexport const rare = 1\n')

    found = assets.Assets(asking)

    assert found.is_joined
    assert json.loads(found.import_map)["imports"]["parley/rare"] == found.url("js/rare.js")
    assert found.url("js/rare.js") not in found.module_preloads
    assert b"export const rare" in found.by_name["js/rare.js"].body


def test_what_is_imported_later_takes_from_the_entry_what_that_holds(asking):
    rare = 'import { gap as hole } from "parley/models/gap"\nexport const rare = hole()\n'
    (asking / "js/rare.js").write_text(rare)

    found = assets.Assets(asking)

    assert found.is_joined
    assert found.by_name["js/app.js"].body.decode().splitlines()[-1] == "export { _m1 }"
    assert found.by_name["js/rare.js"].body.decode().splitlines() == [
        'import { _m1 } from "parley/app"', "const { gap: hole } = _m1", "export const rare = hole()",
    ]  # fmt: skip


def test_what_comes_later_may_have_something_come_later_still(asking):
    (asking / "js/rare.js").write_text('export const rare = () => import("parley/rarer")\n')
    (asking / "js/rarer.js").write_text("export const rarer = 1\n")

    found = assets.Assets(asking)

    assert found.is_joined
    assert {"parley/rare", "parley/rarer"} <= json.loads(found.import_map)["imports"].keys()


@pytest.mark.parametrize("rare", [None, 'import { far } from "parley/far"\n', 'import "socket.io-client"\n'])
def test_what_is_imported_later_needs_what_is_there_or_all_is_sent_module_by_module(asking, rare):
    if rare:
        (asking / "js/rare.js").write_text(rare)

    assert not assets.Assets(asking).is_joined


def test_the_modules_of_the_product_can_be_joined():
    assert assets.Assets().is_joined


def test_a_file_that_is_not_there_is_a_mistake_in_the_template(bare_app):
    with pytest.raises(LookupError, match=r"no static/js/missing\.js"):
        draw(bare_app, '{{ asset("js/missing.js") }}')


def test_a_browser_that_takes_brotli_gets_the_file_that_lies_packed_beside_it(folder):
    (folder / "vendor/stimulus.js.br").write_bytes(b"packed")
    app = Flask(__name__, static_folder=None)
    assets.init_app(app, folder)
    url = app.extensions["assets"].url("vendor/stimulus.js")

    packed = app.test_client().get(url, headers={"Accept-Encoding": "gzip, br"})
    plain = app.test_client().get(url)

    assert (packed.data, packed.headers["Content-Encoding"]) == (b"packed", "br")
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in plain.headers
    assert "stimulus.js.br" not in str(app.extensions["assets"].by_name)
