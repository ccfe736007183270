"""Mail: written from a template, sent by a job. Without SMTP_URL there is none, and `send` does nothing.

    with transaction():
        mail.send(user.email, "You signed in on a new device", "new_device", name=user.name)

The template is `emails/<template>.html`; what a program reads aloud is `emails/<template>.txt`. Both are rendered when
the mail goes out, from the plain values given here. What is secret does not belong into them, as they are stored until
then: a job that makes a link calls `deliver` itself.
"""

import logging
import smtplib
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from functools import cache
from urllib.parse import unquote, urlsplit

from flask import current_app, render_template

from chat.core.clock import now
from chat.core.jobs import enqueue
from chat.core.transaction import release

log = logging.getLogger(__name__)

KIND = "mail"
SUBJECT_LENGTH = 200
STEP_SECONDS = 10  # the longest silence of a mail server
WHOLE_SECONDS = 30  # and the longest that one mail may take
AWAY_SECONDS = 30  # for which a server that could not be reached is not tried again
PORTS = {"smtp": 587, "smtps": 465}
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class MailError(Exception):
    """The mail server did not take a mail, and may do so later."""


def is_on():
    return bool(current_app.config["PARLEY"].smtp_url)


def send(to, subject, template, **values):
    """Inside a transaction: have a mail sent when it has committed. Without a mail server nothing happens."""
    if is_on():
        enqueue(KIND, {"to": to, "subject": subject, "template": template, "values": values})


def handle_mail(data):
    """The job: send one mail. One that the server refuses for good is given up."""
    deliver(data["to"], data["subject"], data["template"], **data["values"])


def deliver(to, subject, template, **values):
    """Send a mail now; it takes seconds, and other green threads go on meanwhile. Returns whether the server took it.

    Raises MailError when it may do so later. Nothing of the database is held while it waits.
    """
    message = compose(to, subject, template, **values)
    if time.monotonic() < current_app.extensions.get("mail_away_until", 0):  # other work waits behind this job
        raise MailError("The mail server was away a moment ago")
    release()
    try:
        with _connection(current_app.config["PARLEY"].smtp_url) as smtp:
            smtp.send_message(message)
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        if is_final(error):
            log.warning("The mail server refuses a mail for good: %s", _codes(error))
            return False
        raise MailError(f"The mail server asks to try later: {_codes(error)}") from error
    except (smtplib.SMTPException, OSError) as error:
        if not isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPNotSupportedError):
            current_app.extensions["mail_away_until"] = time.monotonic() + AWAY_SECONDS
        raise MailError(f"The mail server did not take a mail: {type(error).__name__}") from error  # no address in it
    return True


def compose(to, subject, template, **values):
    """The EmailMessage. Raises ValueError for an address or a subject with a line end, which could begin a header."""
    settings = current_app.config["PARLEY"]
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(display_name=values.get("community", "Parley"), addr_spec=settings.mail_from)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = subject[:SUBJECT_LENGTH]
    message["Date"] = format_datetime(now())
    message["Message-ID"] = make_msgid(domain=settings.mail_from.partition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # no answer of a machine comes back
    values |= {"subject": subject, "address": settings.base_url}
    message.set_content(render_template(f"emails/{template}.txt", **values))
    message.add_alternative(render_template(f"emails/{template}.html", **values), subtype="html")
    return message


def is_final(error):
    """Whether the server said no rather than not now: 5xx for every address."""
    codes = _codes(error)
    return bool(codes) and all(500 <= code < 600 for code in codes)


def _codes(error):
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return sorted({code for code, _ in error.recipients.values()})
    return [error.smtp_code]


@contextmanager
def _connection(url):
    """A mail server, signed in to. The sockets are those of the async library, so that waiting stops nobody else: only
    the signatures of TLS are computed in the loop, some milliseconds.

    With a password there is always TLS, but on this machine itself.
    """
    parts = urlsplit(url)
    smtps = parts.scheme == "smtps"
    smtp = smtplib.SMTP_SSL(timeout=STEP_SECONDS, context=_trust()) if smtps else smtplib.SMTP(timeout=STEP_SECONDS)
    smtp._host = parts.hostname  # whose certificate it must be; `connect` forgets to note it (bpo-36094)
    with _cut_after(WHOLE_SECONDS, smtp):
        smtp.connect(parts.hostname, parts.port or PORTS[parts.scheme])
        smtp.ehlo()
        if not smtps and smtp.has_extn("starttls"):
            smtp.starttls(context=_trust())
            smtp.ehlo()
        elif not smtps and parts.password and parts.hostname not in LOOPBACK:
            raise smtplib.SMTPNotSupportedError("It offers no TLS, and a password is not sent without.")
        if parts.password:
            smtp.login(unquote(parts.username), unquote(parts.password))
        yield smtp


@contextmanager
def _cut_after(seconds, smtp):
    """End the connection after this long, also when the server says a little every few seconds."""

    def cut():
        with suppress(OSError, AttributeError):  # not open yet, or closed already
            smtp.sock.shutdown(2)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
        with suppress(smtplib.SMTPException, OSError):  # the mail is taken: how they part does not matter
            smtp.quit()
    finally:
        timer.cancel()
        smtp.close()


@cache
def _trust():
    return ssl.create_default_context()
