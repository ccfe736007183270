"""A real mail server for tests: what it takes is kept, and it refuses or dawdles when it is told to."""

import email.policy
from email import message_from_bytes

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.system.ports import free_port


class Mailbox:
    """`letters` are what came, as EmailMessages, with whom they were meant for in `envelopes`.

    answer   what the server says to the next recipients, such as "550 Unknown"; None: it takes everything
    """

    def __init__(self, **options):
        self.letters, self.envelopes, self.signed_in, self.answer, self.spoken_to = [], [], [], None, 0
        self.controller = Controller(
            self, hostname="127.0.0.1", port=free_port(), authenticator=self._authenticate, auth_require_tls=False,
            **options,
        )  # fmt: skip
        self.controller.start()

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.controller.port}"

    def _authenticate(self, server, session, envelope, mechanism, data):
        right = isinstance(data, LoginPassword) and data.password == b"p/ss:word"
        if right:
            self.signed_in.append(data.login.decode())
        return AuthResult(success=right, handled=False)

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.spoken_to += 1
        if self.answer:
            return self.answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.letters.append(message_from_bytes(envelope.content, policy=email.policy.default))
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return "250 OK"

    def close(self):
        self.controller.stop()


def text_of(letter):
    return letter.get_body(("plain",)).get_content()


def html_of(letter):
    return letter.get_body(("html",)).get_content()


def address_in(letter):
    """The address of ours that a letter is about: its first."""
    return next(word for word in text_of(letter).split() if word.startswith("http") and word.count("/") > 2)
