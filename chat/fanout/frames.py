"""WebSocket frames (RFC 6455): ours as bytes, and a strict reader of what clients send."""

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FIN = 0x80
PROTOCOL, NOT_TEXT, POLICY, TOO_BIG, RESTART = 1002, 1007, 1008, 1009, 1012


class Refused(Exception):
    """What a client sent ends its connection; `code` is the close code it is told."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def frame(payload, opcode=TEXT):
    """One whole frame, unmasked and uncompressed, so that the same bytes serve everybody."""
    size = len(payload)
    if size < 126:
        return bytes((FIN | opcode, size)) + payload
    if size < 65536:
        return bytes((FIN | opcode, 126, size >> 8, size & 255)) + payload
    return bytes((FIN | opcode, 127)) + size.to_bytes(8, "big") + payload


def closing(code):
    return frame(code.to_bytes(2, "big"), CLOSE)


def unmask(body, mask):
    """`body` with the client's mask taken off: one exclusive or of two long numbers, a hundred times a byte loop."""
    size = len(body)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
    return (int.from_bytes(body, "little") ^ key).to_bytes(size, "little")


class FrameReader:
    """Bytes in whatever pieces → whole messages. Holds at most `limit` bytes of payload and one header."""

    __slots__ = ("_buffer", "_needed", "_opcode", "_parts", "_size")

    def __init__(self):
        self._buffer, self._needed = b"", 0
        self._parts, self._opcode, self._size = None, 0, 0

    def feed(self, data, limit):
        """Return the [(opcode, payload)] that `data` completes. Raises Refused for anything the RFC forbids, and for a
        message above `limit` bytes, its fragments together."""
        buffer = self._buffer
        if buffer:
            buffer += data  # a bytearray: a client that sends single bytes costs no copying
            if len(buffer) < self._needed:
                return []
            data = bytes(buffer)
        messages, at, size = [], 0, len(data)
        self._needed = 0
        while size - at >= 2:
            first, second = data[at], data[at + 1]
            opcode, length, header = first & 15, second & 127, 6
            if first & 0x70 or not second & 0x80:
                raise Refused(PROTOCOL)
            if length > 125:
                header = 8 if length == 126 else 14
                if opcode >= CLOSE:
                    raise Refused(PROTOCOL)
                if size - at < header:
                    self._needed = header
                    break
                length = int.from_bytes(data[at + 2 : at + header - 4], "big")
                if length < (126 if header == 8 else 65536):
                    raise Refused(PROTOCOL)
            if length > limit or self._size + length > limit:
                raise Refused(TOO_BIG)
            end = at + header + length
            if size < end:
                self._needed = end - at
                break
            body = unmask(data[at + header : end], data[at + header - 4 : at + header]) if length else b""
            at = end
            self._take(opcode, first & FIN, body, messages)
        self._buffer = bytearray(data[at:]) if at < size else b""
        return messages

    def _take(self, opcode, final, body, messages):
        if opcode >= CLOSE:
            if not final or opcode > PONG:
                raise Refused(PROTOCOL)
            if opcode == CLOSE and body:
                _check_goodbye(body)
            messages.append((opcode, body))
        elif opcode:
            if opcode > BINARY or self._parts is not None:
                raise Refused(PROTOCOL)
            if final:
                messages.append((opcode, _checked(opcode, body)))
            else:
                self._parts, self._opcode, self._size = [body], opcode, len(body)
        else:
            if self._parts is None or len(self._parts) >= 1024:  # empty fragments would gather for ever
                raise Refused(PROTOCOL)
            self._parts.append(body)
            self._size += len(body)
            if final:
                messages.append((self._opcode, _checked(self._opcode, b"".join(self._parts))))
                self._parts, self._size = None, 0


def _checked(opcode, body):
    """`body`, unless it is said to be text and is none."""
    if opcode == TEXT and not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            raise Refused(NOT_TEXT) from None
    return body


def _check_goodbye(body):
    """A close frame has no body, or a code that may be sent and a reason."""
    code = int.from_bytes(body[:2], "big")
    if len(body) < 2 or not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in (1004, 1005, 1006):
        raise Refused(PROTOCOL)
    _checked(TEXT, body[2:])
