"""A server that can be told to do one thing wrong, for what has to notice it. Speaks what the floor speaks."""

import json
import socket
import struct
import threading

ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
AT = 5  # the post with which it goes wrong, of the room in which somebody posts first


class WrongPeer:
    """Relays what it gets to the room, except that once it does what `fault` says:

    lost, twice, swapped    one delivery of one receiver does not come; comes again; comes after the next one
    replaced                instead of one delivery the one before comes again, so that the count is right
    elsewhere               somebody in another room gets it as well
    """

    def __init__(self, fault=None):
        self.fault, self.kept, self.before = fault, None, None
        self.rooms, self.posts, self.lock = {}, {}, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for members in self.rooms.values():
            for member in members:
                member.close()

    def _listen(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            reader = client.makefile("rb")
            while reader.readline().strip():
                pass
            client.sendall(ACCEPT)
            room = _text(reader).removeprefix("join:")
            with self.lock:
                self.rooms.setdefault(room, []).append(client)
                client.sendall(_frame("joined"))
            while text := _text(reader):
                with self.lock:
                    self._relay(room, _frame(json.dumps({"text": text}, separators=(",", ":"))))
        except OSError:
            pass

    def _relay(self, room, frame):
        post = self.posts[room] = self.posts.get(room, 0) + 1
        unlucky = self.rooms[room][0] if self.fault and room == next(iter(self.posts)) else None
        for member in self.rooms[room]:
            if member is unlucky and post in (AT, AT + 1):
                self._wrongly(room, member, frame, post)
            else:
                member.sendall(frame)
        if unlucky:
            self.before = frame

    def _wrongly(self, room, member, frame, post):
        if post > AT:
            member.sendall(frame)
            if self.fault == "swapped":
                member.sendall(self.kept)
        elif self.fault == "twice":
            member.sendall(frame * 2)
        elif self.fault == "swapped":
            self.kept = frame
        elif self.fault == "replaced":
            member.sendall(self.before)
        elif self.fault == "elsewhere":
            member.sendall(frame)
            next(members[0] for other, members in self.rooms.items() if other != room).sendall(frame)


def _frame(text):
    payload = text.encode()
    size = struct.pack("!B", len(payload)) if len(payload) < 126 else struct.pack("!BH", 126, len(payload))
    return b"\x81" + size + payload


def _text(reader):
    """The text of a client's next frame; "" when there is none."""
    head = reader.read(2)
    if len(head) < 2 or head[0] & 15 != 1:
        return ""
    size = head[1] & 127
    if size == 126:
        size = struct.unpack("!H", reader.read(2))[0]
    mask, payload = reader.read(4), reader.read(size)
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)).decode()
