"""Nearly right input at five layers: the request to upgrade, websocket frames, Engine.IO and Socket.IO packets, and the
fields of events. Everything follows from one number, so a failure can be repeated.

Each `shot(chance)` of a layer is bytes for one connection; `Layer.opening` says what comes before it.
"""

import json
import random

from chat.realtime import wire
from tests.system.attack import KEY, PATH, masked

NASTY_TEXTS = (
    "", "\0", "\ud7ff", "𝕳" * 20, "a" * 33, "x" * 300, "‮abc", "../../etc/passwd", "<script>", "' OR 1=1 --", "%s%n",
    "{{7*7}}", "null", "-1", "1e999", "\r\nX: y", "__proto__", "constructor", "\u2028", "﷽" * 30, "[]", "room:1", "*",
)  # fmt: skip
NASTY_NUMBERS = (0, -1, 1, 2**31, 2**53, 2**53 + 1, 2**63, 2**64, 10**30, 0.5, -0.0, 1e308, True, False, None)
JSON_PIECES = ("[", "]", "{", "}", '"', ",", ":", "null", "1e999", "NaN", '"\\ud800"', "\\", "0", "-", "true")


def value(chance, depth=0):
    """Any JSON value, the worse ones more often than chance would have it."""
    kind = chance.randrange(8 if depth < 4 else 4)
    if kind == 0:
        return chance.choice(NASTY_TEXTS)
    if kind == 1:
        return chance.choice(NASTY_NUMBERS)
    if kind == 2:
        return chance.randrange(-5, 50)
    if kind == 3:
        return chance.choice(NASTY_TEXTS) * chance.randrange(1, 5)
    if kind < 6:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(NASTY_TEXTS): value(chance, depth + 1) for _ in range(chance.randrange(4))}


def bent(data, chance):
    """`data` with a few bytes changed, left out, doubled or swapped."""
    data = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        if not data:
            break
        at = chance.randrange(len(data))
        how = chance.randrange(6)
        if how == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif how == 1:
            data[at] = chance.randrange(256)
        elif how == 2:
            del data[at : at + chance.randrange(1, 9)]
        elif how == 3:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif how == 4:
            data[at:at] = data[at : at + chance.randrange(1, 30)]
        else:
            data[at : at + 1] = chance.choice((b"\0", b"\xff", b"\r\n", b" ", b",", b"-", b"9" * 20))
    return bytes(data)


def request(chance, server, cookie):
    """HTTP: a handshake, bent; sometimes one with a header too many or a body."""
    lines = {
        "Host": f"localhost:{server.port}",
        "Upgrade": chance.choice(("websocket", "WebSocket", "h2c", "websocket, h2c", "")),
        "Connection": chance.choice(("Upgrade", "keep-alive, Upgrade", "close", "")),
        "Sec-WebSocket-Version": chance.choice(("13", "13", "13", "8", "", "99999999999")),
        "Sec-WebSocket-Key": chance.choice((KEY, KEY, KEY[:-1], "=" * 24, "é" * 24)),
        "Origin": chance.choice((server.url, server.url, "null", "")),
        "Cookie": chance.choice((cookie, "parley_session=x", "a=b; " * 50, "")),
        chance.choice(("X-Forwarded-For", "Content-Length", "Transfer-Encoding", "Expect", "Sec-WebSocket-Extensions")):
            chance.choice(("1", "chunked", "100-continue", "permessage-deflate", "::1, x", "-1", "")),
    }  # fmt: skip
    method = chance.choice(("GET", "GET", "GET", "POST", "PUT", "get", "CONNECT", ""))
    path = chance.choice((PATH, PATH, PATH, "/socket.io/", PATH + "&sid=x", "/", "//", "/socket.io/%00", "*", "/login"))
    head = [f"{method} {path} {chance.choice(('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/9', ''))}"]
    head += [f"{name}: {said}" for name, said in lines.items() if said or chance.random() < 0.1]
    data = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1", "replace")
    data += chance.choice((b"", b"", b"0\r\n\r\n", b"x", masked("40/chat,")))
    return bent(data, chance) if chance.random() < 0.7 else data


def odd(chance, usual, others, often=0.2):
    """Mostly as it should be: what is wrong everywhere is refused at the first thing that is looked at."""
    return chance.choice(others) if chance.random() < often else usual


def frame(chance, *_):
    """WebSocket: any opcode, reserved bits, lengths that lie, masks left out, fragments in any order."""
    bodies = (b"40/chat,", b'42/chat,["read",{}]', chance.randbytes(chance.randrange(200)), b"x" * 126, b"\xc3", b"")
    data = masked(
        odd(chance, b"3", bodies, 0.4),
        odd(chance, chance.choice((1, 9, 10)), (0, 2, 8, chance.randrange(16))),
        fin=chance.random() < 0.9,
        reserved=odd(chance, 0, (0x10, 0x20, 0x40), 0.1),
        mask=None if chance.random() < 0.05 else chance.randbytes(4),
        length=odd(chance, None, (0, 125, 126, 127, 65_536, 2**62)),
    )
    return bent(data, chance) if chance.random() < 0.2 else data


def engine_packet(chance, *_):
    """Engine.IO: any type with anything behind it."""
    kind = chance.choice(("", "0", "1", "2", "3", "3", "4", "5", "6", "7", "b", "\x1e", "²", "4" * 5))
    rest = chance.choice(("", "probe", "/chat,", '{"sid":"x"}', "0/chat,", "\x1e4", "x" * 300, *NASTY_TEXTS))
    return masked(kind + rest)


def socket_packet(chance, *_):
    """Socket.IO: any type, namespace, number of attachments, number of an acknowledgement, and data."""
    text = "4" + odd(chance, "2", "0013456799")
    text += odd(chance, "", ("1-", "99999999999-", "-", "0-"), 0.1)
    text += odd(chance, "/chat,", ("/presence,", "/", "/x,", ",", "", "/chat", "/chat?a=b,", "//,"))
    text += odd(chance, "17", ("", "0" * 14, "9" * 15, "9" * 16, "9" * 200, "-1", "²", " 1", "1.5"))
    if chance.random() < 0.85:
        name = chance.choice((*wire.CHAT, *wire.PRESENCE, "connect", "disconnect", "*", "x" * 32, *NASTY_TEXTS))
        text += json.dumps([name, *(value(chance, 2) for _ in range(chance.randrange(3)))])
    else:
        text += "".join(chance.choice(JSON_PIECES) for _ in range(chance.randrange(8)))
    return masked(bent(text.encode("utf-8", "replace"), chance) if chance.random() < 0.2 else text)


def fields(chance, *_):
    """Events that exist, with fields that are there, missing, too many or of the wrong kind. These are all answered."""
    namespace = chance.choice(("/chat", "/chat", "/presence"))
    name = chance.choice(list(wire.CLIENT[namespace]))
    known = wire.CLIENT[namespace][name]
    payload = {}
    for field in known.fields:
        if chance.random() < 0.85:
            payload[field] = known.example.get(field) if chance.random() < 0.5 else value(chance, 1)
    if chance.random() < 0.1:
        payload[chance.choice(NASTY_TEXTS)] = value(chance, 2)
    arguments = chance.choice(([payload], [payload], [payload], [payload], [], [payload, payload], [value(chance)]))
    number = chance.randrange(10**9)
    return masked(f"42{namespace},{number}" + json.dumps([name, *arguments]))


LAYERS = (request, frame, engine_packet, socket_packet, fields)
# Before the shot: nothing, a handshake, or a handshake and the namespaces.
NEEDS = {request: 0, frame: 1, engine_packet: 1, socket_packet: 2, fields: 2}


def shots(seed):
    """(layer, chance) without end, every layer as often as the others, repeatable by `seed`."""
    chance = random.Random(seed)
    while True:
        yield chance.choice(LAYERS), chance
