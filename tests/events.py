"""What an event stream brings, taken apart: for tests in process and over the wire."""

import json


class Events:
    """Takes the bytes of an event stream as they come. `seen` is [(event, payload)], `id` the last one."""

    def __init__(self, id=None):
        self.seen, self.id, self.comments, self.retry = [], id, 0, None
        self._rest = b""

    def feed(self, data):
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        for block in blocks:
            self._take(block.decode())

    def _take(self, block):
        event = data = None
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "":
                self.comments += 1
            elif name == "id":
                self.id = value
            elif name == "retry":
                self.retry = int(value)
            elif name == "event":
                event = value
            elif name == "data":
                assert data is None
                data = json.loads(value)
        if event:
            self.seen.append((event, data))


class EventClient(Events):
    """An event stream of a signed-in browser of Flask's, in process: read only when a test looks."""

    def __init__(self, browser, query="", *, last_id=None, **headers):
        super().__init__(last_id)
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        self.streams = browser.application.extensions["event_streams"]
        self.answer = browser.get(f"/api/v1/events{query}", headers=headers)
        assert self.answer.status_code == 200, self.answer.text
        self.stream = next(reversed(self.streams._open.values()))
        self.chunks = self.answer.iter_encoded()
        self.feed(next(self.chunks))

    def received(self, event=None):
        """What came since the last look: payloads of one event, or (event, payload) of all."""
        while self.stream.line or ((self.stream.missing or self.stream.passing) and not self.stream.is_ending):
            self.feed(next(self.chunks))
        seen, self.seen = self.seen, []
        return [payload for name, payload in seen if name == event] if event else seen

    def said(self):
        """The texts of the messages since the last look."""
        return [payload["message"]["text"] for payload in self.received("message")]

    @property
    def has_ended(self):
        return next(self.chunks, None) is None

    def close(self):
        self.answer.close()
