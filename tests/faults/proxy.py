"""A bad network in a thread: a proxy that passes bytes on, late, or not, or cuts where it hurts."""

import asyncio
import random
import threading
from contextlib import suppress


class Proxy:
    """Listens on a free port and connects to `target`, a port of this machine.

    cut_share     so large a part of acknowledgements of `message` is answered by cutting the connection instead
    jitter        each piece is passed on up to so many seconds late, in order
    deaf          nothing is passed on, in either direction, and nobody is told: as behind a dead switch
    """

    def __init__(self, target, host="127.0.0.1"):
        self.target, self.host = target, host
        self.cut_share, self.jitter, self.deaf, self.cut = 0, 0, False, 0
        self.loop, self.open = asyncio.new_event_loop(), set()
        started = threading.Event()

        async def serve():
            self.server = await asyncio.start_server(self._serve, host, 0)
            self.port = self.server.sockets[0].getsockname()[1]
            started.set()

        self.loop.create_task(serve())
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        started.wait()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        for writer in self.open:
            writer.transport.abort()
        self.server.close()

    async def _serve(self, reader, writer):
        try:
            to_reader, to_writer = await asyncio.open_connection(self.host, self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, to_writer}
        self.open |= both
        await asyncio.wait(
            [
                asyncio.ensure_future(self._pass(reader, to_writer, False)),
                asyncio.ensure_future(self._pass(to_reader, writer, True)),
            ],
            return_when=asyncio.FIRST_COMPLETED,
        )
        for end in both:
            end.transport.abort()
        self.open -= both

    async def _pass(self, reader, writer, answers):
        with suppress(OSError):
            while data := await reader.read(65536):
                if answers and self._is_to_be_cut(data):
                    self.cut += 1
                    return
                if self.jitter:
                    await asyncio.sleep(random.uniform(0, self.jitter))
                while self.deaf:
                    await asyncio.sleep(0.05)
                writer.write(data)
                await writer.drain()

    def _is_to_be_cut(self, data):
        return self.cut_share and b"43/chat," in data and b'"key"' in data and random.random() < self.cut_share
