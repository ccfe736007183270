# ruff: noqa: E501 - the corpora are lists

import re
import time
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.messages import formatting
from chat.messages.formatting import is_emoji_only, is_plain, names_in, render

PEOPLE = {"bob": (3, "Bob <b>", "/people/bob"), "ann.lee": (4, "Ann Lee", "/people/ann.lee")}
ROOMS = {"general": (1, "/rooms/1"), "sea-trial_2": (2, "/rooms/2"), "हिन्दी": (5, "/rooms/5")}
REL = 'rel="noopener noreferrer nofollow"'
BOB = f'<a href="/people/bob" class="mention" data-user-id="3" {REL}>@Bob &lt;b&gt;</a>'


def html(text, **options):
    return render(text, people=PEOPLE, rooms=ROOMS, **options).html


def out(address, words=None):
    """How a link that leads out of here looks."""
    return f'<a href="{address}" target="_blank" {REL}>{words or address}</a>'


# Markdown


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("plain", "<p>plain</p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("one\n\ntwo", "<p>one</p>\n<p>two</p>"),
        ("**b** *i* ~~s~~ `c`", "<p><strong>b</strong> <em>i</em> <s>s</s> <code>c</code></p>"),
        ("***both***", "<p><em><strong>both</strong></em></p>"),
        ("snake_case_name", "<p>snake_case_name</p>"),
        (r"\*not\*", "<p>*not*</p>"),
        ("# Title", "<p><strong>Title</strong></p>"),
        ("###### Title", "<p><strong>Title</strong></p>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("5. five\n6. six", '<ol start="5">\n<li>five</li>\n<li>six</li>\n</ol>'),
        ("- a\n  - b", "<ul>\n<li>a\n<ul>\n<li>b</li>\n</ul>\n</li>\n</ul>"),
        ("> said", "<blockquote>\n<p>said</p>\n</blockquote>"),
        ("---", "<hr>"),
        ("2 < 3 && 4 > 1", "<p>2 &lt; 3 &amp;&amp; 4 &gt; 1</p>"),
        ("&copy; &amp;", "<p>© &amp;</p>"),
        ("<b>not bold</b>", "<p>&lt;b&gt;not bold&lt;/b&gt;</p>"),
        ("    indented", '<pre class="code" tabindex="0"><code>indented\n</code></pre>'),
        ("```\n<x> & y\n```", '<pre class="code" tabindex="0"><code>&lt;x&gt; &amp; y\n</code></pre>'),
        ("```klingon\nqapla\n```", '<pre class="code" tabindex="0"><code>qapla\n</code></pre>'),
        ("```", '<pre class="code" tabindex="0"><code></code></pre>'),
    ],
)
def test_markdown_is_shown_as_people_know_it(typed, shown):
    assert html(typed) == shown


def test_code_in_a_known_language_is_coloured_by_classes():
    shown = html("```python\nprint('<hi>')\n```")

    assert '<span class="nb">print</span>' in shown
    assert "&lt;hi&gt;" in shown
    assert "style=" not in shown


def test_long_code_stays_plain_because_colouring_it_takes_long():
    assert "<span" not in html("```python\n" + "x = 1\n" * 2000 + "```")


def test_task_lists_show_boxes_that_cannot_be_ticked():
    assert html("- [ ] open\n- [x] done\n- [y] neither") == (
        '<ul>\n<li class="task"><input type="checkbox" disabled="" aria-label="To do"> open</li>\n'
        '<li class="task"><input type="checkbox" disabled="" aria-label="Done" checked=""> done</li>\n'
        "<li>[y] neither</li>\n</ul>"
    )


def test_a_box_with_a_mention_and_a_box_outside_a_list():
    assert f'<input type="checkbox" disabled="" aria-label="To do"> {BOB}' in html("- [ ] @bob")
    assert "<input" not in html("[ ] not in a list")


def test_tables_can_be_scrolled_and_keep_their_alignment():
    shown = html("| a | b | c |\n|:--|--:|---|\n| 1 | **2** | 3 |")

    assert shown.startswith('<div class="table-scroll" tabindex="0"><table>')
    assert '<th align="left">a</th>' in shown
    assert '<td align="right"><strong>2</strong></td>' in shown
    assert "<td>3</td>" in shown


# Plain texts, which take a shorter way

LETTERS = st.sampled_from("ab c\n.,:;-+=/()'\"!?%$0123456789{}é日😀\u200d\ufe0f#@*_~`[]|<>&\\^\t\xa0\u2003\u2028h")
TRICKS = st.sampled_from(
    [
        "http",
        "www.",
        "mailto: ",
        "a.b",
        "1. ",
        "- ",
        "10) ",
        "(c)",
        "...",
        "--",
        "x: y",
        "//",
        ": ",
        "\n\n",
        "a=b",
        "+1",
    ]
)
ORDINARY = st.text("abc dé日,.!?'\"()😀\n:/1", min_size=1)


@settings(max_examples=1000)
@given(st.lists(LETTERS | TRICKS | st.characters(), max_size=30).map("".join) | ORDINARY)
def test_the_short_way_leads_where_the_long_one_does(text):
    if is_plain(text):
        assert render(text, people=PEOPLE, rooms=ROOMS) == formatting._render(text, PEOPLE, ROOMS, True)


@pytest.mark.parametrize(
    "text",
    ["Is this thing on?", 'Yes: it is, "all" of it (50 %)!\nand/or\n\n3 o\'clock 😀', "日本語。", "1.5 m", "a - b"],
)
def test_what_people_mostly_write_takes_the_short_way(text):
    assert is_plain(text)


@pytest.mark.parametrize(
    "text", ["", " a", "a ", "a\n", "- a", "1. a", "a\n# b", "*a*", "a@b", "https://a.example", "a\xa0b"]
)
def test_what_may_mean_more_does_not(text):
    assert not is_plain(text)


# Links


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("https://a.example/b?c=d&e=f", out("https://a.example/b?c=d&amp;e=f")),
        ("[words](https://a.example)", out("https://a.example", "words")),
        ("<https://a.example>", out("https://a.example")),
        ("(see https://a.example/x_(y)).", f"(see {out('https://a.example/x_(y)')})."),
        ("![no picture](https://a.example/p.png)", "!" + out("https://a.example/p.png", "no picture")),
        ("mailto:a@b.example", out("mailto:a@b.example")),
        ("a@b.example and readme.md", "a@b.example and readme.md"),
        ("[a]: https://a.example", "[a]: " + out("https://a.example")),
        ("[x](/people)", out("/people", "x")),
    ],
)
def test_links_lead_out_without_saying_where_from(typed, shown):
    assert html(typed) == f"<p>{shown}</p>"


def test_messages_rendered_at_once_do_not_mix():
    """Long ones are rendered in native threads; the link finder keeps the text that it looks at."""

    def text(n):
        return " ".join(f"https://host-{n}.example/{i}" for i in range(40))

    with ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(lambda n: formatting._render(text(n), {}, {}, False).html, range(64)))

    for n, body in enumerate(shown):
        assert body == "<p>" + " ".join(out(f"https://host-{n}.example/{i}") for i in range(40)) + "</p>"


# Names


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("@bob", BOB),
        ("hi @Bob!", f"hi {BOB}!"),
        ("(@bob)", f"({BOB})"),
        ("**@bob**", f"<strong>{BOB}</strong>"),
        ("`@bob`", "<code>@bob</code>"),
        ("x@bob", "x@bob"),
        ("@@bob", "@@bob"),
        ("/@bob", "/@bob"),
        ("@bobby @nobody", "@bobby @nobody"),
        ("[@bob](https://a.example)", out("https://a.example", "@bob")),
        ("https://a.example/@bob", out("https://a.example/@bob")),
    ],
)
def test_a_name_after_an_at_is_a_link_except_in_code_links_and_words(typed, shown):
    assert html(typed) == f"<p>{shown}</p>"


@pytest.mark.parametrize("typed", ["@bob.", "@bob, you", "@bob…", "@bob's", "@bob-"])
def test_a_sentence_may_end_after_a_name(typed):
    assert render(typed, people=PEOPLE, rooms=ROOMS).mentions == (3,)


def test_a_user_name_with_a_dot_wins_over_the_end_of_a_sentence():
    assert ">@Ann Lee</a>." in html("@ann.lee.")


@pytest.mark.parametrize("typed", ["`@bob`", "```\n@bob\n```", "    @bob", "[@bob](https://a.example)", "me@bob"])
def test_who_is_quoted_in_code_is_not_called(typed):
    assert render(typed, people=PEOPLE, rooms=ROOMS).mentions == ()


def test_everybody_is_named_once_and_in_order():
    assert render("@ann.lee @bob @bob", people=PEOPLE, rooms=ROOMS).mentions == (3, 4)


@pytest.mark.parametrize(
    ("typed", "linked"),
    [
        ("#general", ["/rooms/1"]),
        ("#General, #sea-trial_2!", ["/rooms/1", "/rooms/2"]),
        ("#हिन्दी", ["/rooms/5"]),
        ("##general x#general /#general &#general", []),
        ("`#general`", []),
        ("#nowhere #1", []),
        ("#general-2", []),
    ],
)
def test_a_room_after_a_hash_is_a_link(typed, linked):
    found = Tags.of(html(typed))

    assert [attributes["href"] for tag, attributes in found if tag == "a"] == linked


def test_only_who_may_call_everyone_does():
    called = render("@room!", people={}, rooms={}, may_call_all=True)
    assert called.mentions_room
    assert called.html == '<p><span class="mention mention--all">@room</span>!</p>'

    not_called = render("@room!", people={}, rooms={})
    assert not not_called.mentions_room
    assert not_called.html == "<p>@room!</p>"


def test_names_in_a_text_are_found_before_it_is_rendered():
    assert names_in("@Bob. #General, @ann-lee") == ({"bob", "bob.", "ann-lee"}, {"general"})


# Emoji


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (":smile:", "😄"), (":+1: :tada:", "👍 🎉"), (":no_such_thing:", ":no_such_thing:"), ("`:smile:`", "<code>:smile:</code>"),
        ("10:30:00", "10:30:00"), ("[:tada:](https://a.example)", out("https://a.example", "🎉")),
    ],
)  # fmt: skip
def test_shortcodes_become_emoji_outside_code(typed, shown):
    assert html(typed) == f"<p>{shown}</p>"


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ("👍", True), ("👍 🎉\n😄", True), (":tada:", True), ("👩‍👩‍👧‍👦", True), ("🇸🇪", True), ("ok 👍", False), ("", False),
        ("1", False), ("👍" * 30, False), (":x", False),
    ],
)  # fmt: skip
def test_a_few_emoji_alone_are_shown_large(text, only):
    assert is_emoji_only(text) is only


# What must never come out


class Tags(HTMLParser):
    """Collects (tag, attributes)."""

    @classmethod
    def of(cls, text):
        parser = cls()
        parser.found = []
        parser.feed(text)
        parser.close()
        return parser.found

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


TAGS = {
    "p", "br", "strong", "em", "s", "a", "code", "pre", "span", "blockquote", "ul", "ol", "li", "hr", "input", "div",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {
    "href", "class", "data-user-id", "target", "title", "rel", "start", "type", "disabled", "checked", "align", "tabindex",
    "aria-label",
}  # fmt: skip


def assert_harmless(shown):
    """A browser finds nothing in it to run, to load or to submit."""
    for tag, attributes in Tags.of(shown):
        assert tag in TAGS, shown
        assert set(attributes) <= ATTRIBUTES, shown
        scheme = re.match(r"\s*([^/?#:]*):", attributes.get("href") or "")
        assert scheme is None or scheme[1].lower() in ("http", "https", "mailto"), shown
        if tag == "input":
            assert attributes["type"] == "checkbox" and "disabled" in attributes, shown
    assert formatting._cleaner().clean(shown) == shown


def xss():
    scripts = ["alert(1)", "fetch('//evil.example')"]
    raw = [
        "<script>{}</script>", "<SCRIPT SRC=//evil.example/x.js></SCRIPT>", "<img src=x onerror={}>", "<svg onload={}>",
        "<svg><script>{}</script></svg>", "<math><mtext><table><mglyph><style><img src=x onerror={}>", "<body onload={}>",
        "<iframe src='javascript:{}'></iframe>", "<iframe srcdoc='<script>{}</script>'>", "<a href='javascript:{}'>x</a>",
        "<input autofocus onfocus={}>", "<details open ontoggle={}>", "<video><source onerror={}></video>",
        "<marquee onstart={}>", "<object data='javascript:{}'>", "<embed src='javascript:{}'>", "<form action='javascript:{}'>",
        "<button formaction='javascript:{}'>x</button>", "<base href='//evil.example/'>", "<link rel=stylesheet href=//evil.example>",
        "<meta http-equiv=refresh content='0;url=javascript:{}'>", "<style>@import '//evil.example';</style>",
        "<div style='background:url(javascript:{})'>x</div>", "<noscript><p title='</noscript><img src=x onerror={}>'>",
        "<template><script>{}</script></template>", "<!--<img src='--><img src=x onerror={}>'>", "<![CDATA[<script>{}</script>]]>",
        "<?xml version='1.0'?><script>{}</script>", "<a href=\"jav&#x09;ascript:{}\">x</a>", "<x onclick={}>click</x>",
        "<isindex type=image src=1 onerror={}>", "</textarea><script>{}</script>", "</title><script>{}</script>",
        "<scr<script>ipt>{}</scr</script>ipt>", "<<script>{}//<</script>", "<img/src='x'/onerror={}>", "<img src=x:x onerror\x0c={}>",
    ]  # fmt: skip
    links = [
        "[x](javascript:{})", "[x](JaVaScRiPt:{})", "[x](  javascript:{})", "[x](java\tscript:{})", "[x](&#106;avascript:{})",
        "[x](&#x6A;avascript:{})", "[x](javascript&colon;{})", "[x](vbscript:{})", "[x](data:text/html,<script>{}</script>)",
        "[x](data:text/html;base64,PHNjcmlwdD4=)", "[x](data:image/svg+xml;base64,PHN2Zz4=)", "[x](file:///etc/passwd)",
        "<javascript:{}>", "<data:text/html,{}>", "![x](javascript:{})", "![x](x'onerror='{})", "![x](x\"onerror=\"{})",
        "[x](https://a.example \"onmouseover='{}'\")", "[x](https://a.example '\" onclick=\"{}')", "[x](https://a.example\"onclick=\"{})",
        "[x\"onclick=\"{}](https://a.example)", "[<script>{}</script>](https://a.example)", "[![x](javascript:{})](javascript:{})",
        "[x]: javascript:{}\n\n[x]", "[x][y]\n\n[y]: javascript:{}", "https://a.example/\"onclick=\"{}", "https://a.example/<script>{}</script>",
        "[x](//evil.example/{})", "[x](\\\\evil.example)", "[x](javascript://a.example/%0a{})", "[x](\x01javascript:{})",
        "[x](ftp://evil.example)", "[x](blob:https://a.example/{})", "[x](about:blank)", "[x](view-source:{})",
    ]  # fmt: skip
    blocks = [
        "```\"><script>{}</script>\nx\n```", "```html\n<script>{}</script>\n```", "~~~js onclick={}\nx\n~~~", "`<script>{}</script>`",
        "    <script>{}</script>", "| <script>{}</script> | b |\n|---|---|\n| <img src=x onerror={}> | d |",
        "- [ ] <img src=x onerror={}>", "- [x] [x](javascript:{})", "> <script>{}</script>", "# <script>{}</script>",
        "1. <svg onload={}>", "@bob<script>{}</script>", "#general\"onclick=\"{}", ":smile:<script>{}</script>",
        "**<script>{}</script>**", "~~<img src=x onerror={}>~~", "<b\n\nonclick={}>", "&lt;script&gt;{}&lt;/script&gt;",
        "&#60;script&#62;{}&#60;/script&#62;", "\\<script\\>{}\\</script\\>", "\u202e<script>{}</script>", "\x00<script>{}</script>",
    ]  # fmt: skip
    return [pattern.replace("{}", script) for pattern in raw + links + blocks for script in scripts]


@pytest.mark.parametrize("typed", xss())
def test_nothing_that_runs_comes_out(typed):
    shown = html(typed)

    assert_harmless(shown)
    assert "<script" not in shown.lower()


PIECES = st.sampled_from(
    ["<", ">", '"', "'", "`", "```\n", "*", "_", "[", "](", ")", "!", "javascript:", "onerror=", "<script>", "@bob", "#general",
     ":smile:", "\n", "\n\n", "- ", "- [ ] ", "> ", "|", "\n|--|--|\n", "http://a.b/", "&#x3c;", "&lt;", "\\", "~~", " ", "a", "é", "<!--", "-->"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200))
def test_whatever_is_typed_comes_out_harmless(typed):
    assert_harmless(html(typed, may_call_all=True))


@pytest.mark.parametrize(
    "typed",
    [
        "[" * 20_000, ">" * 20_000, "> " * 10_000, "*" * 20_000, "*a " * 6_666, "**a_" * 5_000, "`" * 20_000, "- " * 10_000,
        "\n".join("  " * i + "- a" for i in range(190)), "[a](" * 5_000, "<" * 20_000, "[" * 10_000 + "]" * 10_000,
        "![" * 10_000, "~~a " * 5_000, "a]" * 10_000, "[](" * 6_666, "&#x41;" * 3_333, "- a\n\n" * 4_000, ":" * 20_000, "@" * 20_000,
        "#" * 20_000, "#" + "हि" * 9_999, "http://" + "a." * 9_990, "http://a.b " * 1_818, "@bob " * 4_000, ":smile:" * 2_857, "a" * 20_000, "a\n" * 10_000,
        "".join("`" * i + " " for i in range(1, 198)), ("|a" * 50 + "\n" + "|-" * 50 + "\n" + ("|b" * 50 + "\n") * 190)[:20_000],
        *(f"```{language}\n{piece * (7_900 // len(piece))}\n```" for language, piece in [
            ("json", "["), ("cpp", "/*"), ("html", "<a "), ("perl", "s/"), ("sql", "'"), ("rst", "`"), ("js", "/a"), ("yaml", "- "), ("bash", "$(")
        ]),
    ],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_no_text_holds_the_server_up(typed):
    """A bound for what hangs, never a measurement: each takes a fraction of a second."""
    began = time.process_time()
    shown = html(typed)

    assert time.process_time() - began < 5
    assert_harmless(shown)
