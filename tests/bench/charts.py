"""Small charts as SVG, readable on a light and on a dark page: all text and axes are `currentColor`, and the style
follows the reader's scheme where a page shows the file as a picture.
"""

import math
from html import escape

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 72, 132, 40, 48
# The same in every chart; dashes tell lines apart without colours as well.
LOOKS = {
    "Node": ("#3d7eff", "6 3"),
    "Parley": ("#e4572e", ""),
    "C floor": ("#2a9d6f", "2 3"),
    "Flask-SocketIO": ("#a05bd6", "10 3 2 3"),
}
STYLE = (
    "svg{color:#1b1f24;font:12px system-ui,sans-serif}@media(prefers-color-scheme:dark){svg{color:#e3e6ea}}"
    "text{fill:currentColor}.grid{stroke:currentColor;opacity:.15}.axis{stroke:currentColor;opacity:.6}"
)


def write(path, svg):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg)


def lines(title, series, *, x, y, logarithmic=False):
    """`series` is {name in LOOKS: [(x, y), …]}. Logarithmic is the y axis; x is spaced by its own values."""
    points = [point for found in series.values() for point in found]
    if not points:
        return _page(title, [_text(WIDTH / 2, HEIGHT / 2, "nothing was measured", "middle")])
    across = _Linear(0, max(p[0] for p in points), LEFT, WIDTH - RIGHT)
    values = [p[1] for p in points]
    up = (_Logarithmic if logarithmic else _Linear)(
        min(values) if logarithmic else 0, max(values), HEIGHT - BOTTOM, TOP
    )
    parts = [*_axes(up, x, y)]
    for value in sorted({p[0] for p in points}):
        parts.append(_text(across(value), HEIGHT - BOTTOM + 16, _number(value), "middle"))
    labels = _spread({name: up(found[-1][1]) for name, found in series.items() if found})
    for name, found in series.items():
        if not found:
            continue
        colour, dashes = LOOKS[name]
        path = " ".join(f"{across(a):.1f},{up(b):.1f}" for a, b in found)
        dots = "".join(f'<circle cx="{across(a):.1f}" cy="{up(b):.1f}" r="3"/>' for a, b in found)
        parts.append(
            f'<g fill="{colour}"><polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dashes}"/>{dots}</g>'
        )
        parts.append(_label(across(found[-1][0]) + 8, labels[name] + 4, name, colour))
    return _page(title, parts)


def bars(title, series, *, y):
    """`series` is {name: {group: value}}; the y axis is logarithmic."""
    groups = list(dict.fromkeys(group for found in series.values() for group in found))
    values = [value for found in series.values() for value in found.values() if value]
    if not values:
        return _page(title, [_text(WIDTH / 2, HEIGHT / 2, "nothing was measured", "middle")])
    up, parts = _Logarithmic(min(values) / 2, max(values), HEIGHT - BOTTOM, TOP), []
    parts += _axes(up, "", y)
    wide = (WIDTH - LEFT - RIGHT) / len(groups)
    thin = wide * 0.8 / len(series)
    for i, (name, found) in enumerate(series.items()):
        for k, group in enumerate(groups):
            if found.get(group):
                at, top = LEFT + k * wide + wide * 0.1 + i * thin, up(found[group])
                what = f"<title>{escape(name)}, {escape(group)}: {_number(found[group])}</title>"
                parts.append(
                    f'<rect x="{at:.1f}" y="{top:.1f}" width="{thin - 2:.1f}" height="{HEIGHT - BOTTOM - top:.1f}" '
                    f'fill="{LOOKS[name][0]}">{what}</rect>'
                )
        parts.append(_label(WIDTH - RIGHT + 12, TOP + 12 + i * 20, name, LOOKS[name][0]))
    parts += [_text(LEFT + (k + 0.5) * wide, HEIGHT - BOTTOM + 16, group, "middle") for k, group in enumerate(groups)]
    return _page(title, parts)


class _Linear:
    def __init__(self, low, high, start, end):
        self.low, self.high, self.start, self.end = low, high or 1, start, end

    def __call__(self, value):
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self):
        step = 10 ** math.floor(math.log10(self.high))
        while self.high / step < 4:
            step /= 2
        return [i * step for i in range(int(self.high / step) + 1)]


class _Logarithmic(_Linear):
    """Whole powers of ten around the values."""

    def __init__(self, low, high, start, end):
        low, high = math.floor(math.log10(low)), math.ceil(math.log10(high))
        super().__init__(low, max(high, low + 1), start, end)

    def __call__(self, value):
        return super().__call__(math.log10(value))

    def ticks(self):
        return [10**power for power in range(self.low, self.high + 1)]


def _axes(up, x, y):
    for tick in up.ticks():
        at = up(tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield _text(LEFT - 8, at + 4, _number(tick), "end")
    yield f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>'
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x, "middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{escape(y)}</text>'


def _spread(places, apart=16):
    """Names at the ends of lines, moved so that none is on another."""
    moved, last = {}, -math.inf
    for name, at in sorted(places.items(), key=lambda item: item[1]):
        last = moved[name] = max(at, last + apart)
    return moved


def _label(x, y, words, colour):
    return f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="10" height="10" fill="{colour}"/>' + _text(
        x + 15, y, words, "start"
    )


def _text(x, y, words, anchor):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _page(title, parts):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img"><title>{escape(title)}</title><style>{STYLE}</style>'
        f'<text x="{LEFT}" y="22" font-weight="600">{escape(title)}</text>{"".join(parts)}</svg>\n'
    )
