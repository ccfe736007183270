"""What attackers write, made by rule rather than copied: places to be led to, paths out of a folder, lines in headers,
origins that look like ours. Each is a list of texts, in a fixed order."""

from itertools import product
from urllib.parse import quote

EVIL = "evil.example"


def elsewhere(host="localhost:5000"):
    """Values of `next` and Referer's path that some browser or library reads as another site, or as script."""
    starts = [
        "//",
        "///",
        "////",
        "/\\",
        "\\/",
        "\\\\",
        "/\t/",
        "/\n/",
        "/\r/",
        "/ /",
        "\t//",
        " //",
        "/%09/",
        "/%5c",
        "/%2f/",
        "/.//",
        "/..//",
        "/;//",
        "//;@",
        "/\x00/",
        "/\u2028/",
        "／／",
        "/\\/\\",
        "%2f%2f",
        "/%0d%0a//",
    ]
    schemes = [
        "http://",
        "https://",
        "HTTP://",
        "hTTps:",
        "https:/",
        "https:///",
        "http:\\\\",
        "ftp://",
        "ws://",
        "javascript:alert(1)//",
        "JaVaScRiPt:alert(1)//",
        "java\tscript:alert(1)//",
        "data:text/html,<b>//",
        "vbscript:msgbox(1)//",
        "blob:https://",
        "view-source:https://",
        "file:///",
        "//user:pw@",
    ]
    like_ours = [
        f"http://{host}@{EVIL}/",
        f"http://{host}.{EVIL}/",
        f"http://{EVIL}/{host}",
        f"http://{EVIL}#{host}",
        f"http://{EVIL}?{host}",
        f"//{host}@{EVIL}",
        f"//{EVIL}\\@{host}",
        f"http://{EVIL}%2f@{host}",
        f"http:{EVIL}",
        f"http://{EVIL}\\.{host}",
        f"/login?next=//{EVIL}",
        f"/rooms//{EVIL}",
        f"/@{EVIL}",
        f".{EVIL}",
        f"@{EVIL}",
        f"/redirect?to=//{EVIL}",
        f"/\u202e//{EVIL}",
        f"http://[::ffff:{EVIL}]/",
    ]
    return [start + EVIL for start in starts] + [scheme + EVIL for scheme in schemes] + like_ours


def outwards():
    """Paths that lead out of a folder, as they stand in a request line: 200 of them."""
    dots = ["..", "%2e%2e", ".%2e", "%2E%2E", "%252e%252e", "..%00", "....", "%c0%ae%c0%ae", "%uff0e%uff0e", "..;"]
    slashes = ["/", "%2f", "%5c", "\\", "%252f", "%c0%af", "//", "/./", "%2f%2f", "%255c"]
    goals = ["etc/passwd", "data/secret_key"]
    found = [
        slash.join([dot] * depth + [goal.replace("/", slash)])
        for (dot, slash, goal), depth in zip(product(dots, slashes, goals), [1, 3, 6, 12] * 50, strict=True)
    ]
    return found


def header_lines():
    """Texts that begin a new header, or a second answer, where a line break gets through."""
    breaks = ["\r\n", "\n", "\r", "\u560d\u560a", "\u2028", "\x85", "\x0b\n", "\r\n\t", "\n\n", "\r\n\r\n"]
    lines = [
        "X-Injected: 1",
        "Set-Cookie: parley_session=injected",
        "Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nX-Injected: 2",
    ]
    return [f"general{end}{line}" for end, line in product(breaks, lines)]


def percent(text):
    return quote(text, safe="")


def foreign_origins(host, port):
    """[origin or None] that no page of ours at http://host:port has: 40 of them."""
    here = f"{host}:{port}"
    return [
        None,
        "",
        "null",
        "NULL",
        "undefined",
        "*",
        "/",
        "//",
        "http://",
        "http:",
        here,
        f"//{here}",
        f"http:/{here}",
        f"http://{EVIL}",
        f"https://{EVIL}",
        f"http://{EVIL}:{port}",
        f"http://{here}.{EVIL}",
        f"http://{host}.{EVIL}:{port}",
        f"http://{EVIL}.{here}",
        f"http://{EVIL}{here}",
        f"http://not{here}",
        f"http://{here}0",
        f"http://{host}",
        f"http://{host}:80",
        f"http://{host}:{port + 1}",
        f"https://{here}",
        f"ws://{here}",
        f"wss://{here}",
        f"file://{here}",
        f"chrome-extension://{here}",
        f"HTTP://{here}",
        f"http://{host.upper()}:{port}",
        f"http://{here}/",
        f"http://{here}/login",
        f"http://{here}@{EVIL}",
        f"http://user@{here}",
        f"http://{here}#{EVIL}",
        f"http://{here}, http://{EVIL}",
        f"http://{EVIL} http://{here}",
        f"http://{host}\u3002:{port}",
        f"http://xn--{host}-9za:{port}",
        f"http://[::1]:{port}",
    ]
