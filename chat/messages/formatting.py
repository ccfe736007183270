"""Markdown as typed → the HTML that is stored and shown, the same for everyone.

markdown-it-py parses (CommonMark with tables, strikethrough, bare links, task lists), Pygments colours fenced code, and
nh3 cleans as the very last step, so that nothing added later could slip past it. Raw HTML is shown as text.
`RENDERER` goes up whenever the same text would come out differently.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import emoji
import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from chat.core.blocking import Bounded, Full
from chat.core.errors import Busy
from chat.rooms.names import WORDS

RENDERER = 1
LONG = 300  # characters; longer texts, and all code, are rendered off the event loop
HIGHLIGHTED = 2000  # characters of code that are coloured at most in one message; colouring is the slowest part
CELLS = 1000  # of all tables of a message together; every row is as wide as the header, however short it was typed
SWOLLEN = 10_000  # characters of HTML beyond eight times the text: more is shown as it was typed

# The languages that are coloured: those of everyday work whose lexers take a bounded time for whatever they are given.
LANGUAGES = frozenset(
    """
    bash c c# c++ clojure console cpp cs csharp css dart diff docker dockerfile elixir erlang go golang
    graphql haskell html http ini java javascript jinja js json json5 jsx julia kotlin lua make makefile
    mysql nginx perl php postgres powershell properties proto protobuf ps1 py pycon python python3 r rb
    rs ruby rust scala scss sh shell sql swift toml ts typescript udiff xml yaml yml zig zsh
    """.split()  # noqa: SIM905 - words read better than eighty strings
)

# So that formatting, of which one person can ask a lot, leaves native threads to those who sign in.
_formatting = Bounded(running=2, waiting=50)

PERSON = re.compile(r"(?<![\w@/.])@([a-z0-9][a-z0-9._-]{0,31})", re.IGNORECASE)
ROOM = re.compile(rf"(?<![\w#/&])#({WORDS})")
NOTED = re.compile(rf"{PERSON.pattern}|{ROOM.pattern}|:([a-z0-9_+-]{{2,40}}):", re.IGNORECASE)
EVERYONE = "room"


# Whatever any rule of Markdown, the link finder, a name, an emoji or the cleaner could act on: a text without it is
# shown as it was typed. Said too broadly it costs time, said too narrowly it is a mistake, which a test looks for.
# White space other than the blank is trimmed here and kept there.
_ODD = r"&<>\\`*_~\[\]|@\#^\x00-\x09\x0b-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ud800-\udfff"
TOUCHED = re.compile(rf"[{_ODD}]|:(?! ?\Z|[ \n])|//| (?:\n|\Z)|\n(?:[-+=: ]|[0-9]{{1,9}}[.)](?:[ \n]|\Z))")
SUSPECT = re.compile(rf"[{_ODD}:/\n]")  # one look at each character; most texts have none of these
BEGINS = re.compile(r"[-+=: \n]|[0-9]{1,9}[.)](?:[ \n]|\Z)|\Z")


@dataclass(frozen=True)
class Body:
    """A rendered text: its HTML, the ids of the people it names, and whether it calls the whole room."""

    html: str
    mentions: tuple = ()
    mentions_room: bool = False


def names_in(text):
    """(user names, room names) that a text may mean, lower case. More than it does mean: code is not left out."""
    people = {match.group(1).lower() for match in PERSON.finditer(text)} if "@" in text else set()
    people |= {name.rstrip("._-") for name in people}
    return people, {match.group(1).lower() for match in ROOM.finditer(text)} if "#" in text else set()


def render(text, *, people, rooms, may_call_all=False):
    """Return the Body of `text`.

    people  {user name: (id, display name, path)} of those who can be named here.
    rooms   {room name: (id, path)} of the rooms that everyone may know of.
    Raises  Busy when very much is waiting to be formatted.
    """
    if is_plain(text):
        return Body(_paragraphs(text))
    if is_quick(text):
        return _render(text, people, rooms, may_call_all)
    try:
        return _formatting.run(_render, text, people, rooms, may_call_all)
    except Full:
        raise Busy from None


def is_plain(text):
    """Whether nothing in a text means anything but itself."""
    if BEGINS.match(text) or text[-1] in " \n":
        return False
    return SUSPECT.search(text) is None or TOUCHED.search(text) is None


def _paragraphs(text):
    """A plain text as HTML: blank lines part paragraphs, other line ends are line ends."""
    parts = [part.replace("\n", "<br>\n") for part in re.split(r"\n\n+", text)] if "\n\n" in text else None
    return "<p>" + ("</p>\n<p>".join(parts) if parts else text.replace("\n", "<br>\n")) + "</p>"


def is_quick(text):
    """Whether a text is rendered at once, in well under a millisecond or two, rather than off the event loop."""
    return len(text) <= LONG and "```" not in text and "~~~" not in text and "|" not in text


def _render(text, people, rooms, may_call_all):
    env = {"people": people, "rooms": rooms, "may_call_all": may_call_all, "mentions": {}, "all": False, "coloured": 0}
    html = _cleaner().clean(_markdown(_cells(text) <= CELLS).render(text, env)).strip()
    if len(html) > 8 * len(text) + SWOLLEN:
        return Body("<p>" + escapeHtml(text).replace("\n", "<br>\n") + "</p>")
    return Body(html, tuple(sorted(env["mentions"])), env["all"])


def _cells(text):
    """At most how many cells the tables of a text have."""
    rows = [line.count("|") + 1 for line in text.split("\n") if "|" in line]
    return len(rows) * max(rows, default=0)


def is_emoji_only(text):
    """Whether a text is nothing but a few emoji, which are then shown large."""
    if text.isascii() and ":" not in text:
        return False
    text = "".join(text.split())
    return 0 < len(text) <= 24 and emoji.purely_emoji(emoji.emojize(text, language="alias"))


def _coloured(code, language, env):
    """Highlighted lines of a fenced block, or the code as it is."""
    if language.lower() not in LANGUAGES or env["coloured"] + len(code) > HIGHLIGHTED:
        return escapeHtml(code)
    env["coloured"] += len(code)
    return highlight(code, get_lexer_by_name(language.lower(), stripnl=False), HtmlFormatter(nowrap=True))


@lru_cache(maxsize=2)
def _markdown(with_tables):
    md = MarkdownIt("gfm-like", {"html": False, "linkify": True, "breaks": True, "maxNesting": 20})
    md.disable(["image", "html_block", "html_inline", "reference", "smartquotes", "replacements"], ignoreInvalid=True)
    if not with_tables:
        md.disable("table")
    md.linkify.set({"fuzzy_link": False, "fuzzy_email": False})
    md.core.ruler.push("names", _name_tokens)
    md.core.ruler.push("tasks", _task_items)
    md.add_render_rule("fence", _fence)
    md.add_render_rule("code_block", _fence)
    md.add_render_rule("heading_open", lambda self, tokens, i, options, env: "<p><strong>")
    md.add_render_rule("heading_close", lambda self, tokens, i, options, env: "</strong></p>\n")
    md.add_render_rule(
        "table_open", lambda self, tokens, i, options, env: '<div class="table-scroll" tabindex="0"><table>\n'
    )
    md.add_render_rule("table_close", lambda self, tokens, i, options, env: "</table></div>\n")
    md.add_render_rule("th_open", _cell)
    md.add_render_rule("td_open", _cell)
    md.add_render_rule("link_open", _link)
    return md


def _fence(self, tokens, i, options, env):
    token = tokens[i]
    language = token.info.split()[0] if token.info.strip() else ""
    return f'<pre class="code" tabindex="0"><code>{_coloured(token.content, language, env)}</code></pre>\n'


def _cell(self, tokens, i, options, env):
    """Its alignment as an attribute: no style attribute passes the cleaner, nor our policy for the page."""
    if style := tokens[i].attrs.pop("style", None):
        tokens[i].attrSet("align", style.removeprefix("text-align:"))
    return self.renderToken(tokens, i, options, env)


def _link(self, tokens, i, options, env):
    token = tokens[i]
    if not token.attrGet("class"):  # ours have one; all others lead out of here
        token.attrSet("target", "_blank")
    return self.renderToken(tokens, i, options, env)


def _task_items(state):
    """`- [ ]` and `- [x]` at the start of a list item become a box."""
    for i, token in enumerate(state.tokens):
        if token.type == "inline" and i >= 2 and state.tokens[i - 2].type == "list_item_open" and token.children:
            first = token.children[0]
            if first.type == "text" and (match := re.match(r"\[([ xX])\]\s", first.content)):
                first.content = first.content[match.end() :]
                box = Token("html_inline", "", 0)
                done = match.group(1) != " "
                state_words = 'aria-label="Done" checked' if done else 'aria-label="To do"'
                box.content = f'<input type="checkbox" disabled {state_words}> '
                token.children.insert(0, box)
                state.tokens[i - 2].attrSet("class", "task")


def _name_tokens(state):
    """Turn @people, #rooms and :emoji: into their tokens, outside code and links."""
    for block in state.tokens:
        if block.type != "inline" or not block.children:
            continue
        children, in_link = [], 0
        for token in block.children:
            in_link += {"link_open": 1, "link_close": -1}.get(token.type, 0)
            children += _split(token, state.env, in_link) if token.type == "text" else [token]
        block.children = children


def _split(token, env, in_link):
    pieces, start, text = [], 0, token.content
    for match in NOTED.finditer(text):
        made = _emoji(match) if match.group(3) else None if in_link else _name(match, env)
        if made is None:
            continue
        tokens, end = made
        if match.start() > start:
            pieces.append(_text(text[start : match.start()]))
        pieces += tokens
        start = end
    return [*pieces, _text(text[start:])] if pieces else [token]


def _text(content):
    token = Token("text", "", 0)
    token.content = content
    return token


def _emoji(match):
    shown = emoji.emojize(match.group(0), language="alias")
    return None if shown == match.group(0) else ([_text(shown)], match.end())


def _name(match, env):
    if match.group(1):
        for typed in dict.fromkeys((match.group(1), match.group(1).rstrip("._-"))):  # a sentence may end after a name
            end = match.start(1) + len(typed)
            if typed.lower() == EVERYONE and env["may_call_all"]:
                env["all"] = True
                return _span("@room"), end
            if found := env["people"].get(typed.lower()):
                user_id, name, path = found
                env["mentions"][user_id] = True
                return _anchor(path, "mention", f"@{name}", user_id), end
        return None
    if found := env["rooms"].get(match.group(2).lower()):
        return _anchor(found[1], "mention mention--room", match.group(0)), match.end()
    return None


def _span(content):
    opening, closing = Token("span_open", "span", 1), Token("span_close", "span", -1)
    opening.attrSet("class", "mention mention--all")
    return [opening, _text(content), closing]


def _anchor(path, classes, content, user_id=None):
    opening, closing = Token("link_open", "a", 1), Token("link_close", "a", -1)
    opening.attrSet("href", path)
    opening.attrSet("class", classes)
    if user_id:
        opening.attrSet("data-user-id", str(user_id))
    return [opening, _text(content), closing]


@lru_cache(maxsize=1)
def _cleaner():
    """The allow-list. Everything else that a browser could act on is removed, whatever produced it."""
    return nh3.Cleaner(
        tags={
            "p", "br", "strong", "em", "s", "a", "code", "pre", "span", "blockquote", "ul", "ol", "li", "hr",
            "input", "div", "table", "thead", "tbody", "tr", "th", "td",
        },
        attributes={
            "a": {"href", "class", "data-user-id", "target", "title"},
            "ol": {"start"},
            "span": {"class"},
            "pre": {"class", "tabindex"},  # what scrolls sideways can be reached by the keyboard
            "div": {"class", "tabindex"},
            "li": {"class"},
            "input": {"type", "disabled", "checked", "aria-label"},
            "th": {"align"},
            "td": {"align"},
        },
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )  # fmt: skip
