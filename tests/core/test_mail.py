"""Mail, to a real mail server."""

import socket
import ssl
import threading
import time
from datetime import timedelta

import pytest

from chat.core import mail
from chat.core.clock import now
from chat.core.db import db
from chat.core.jobs import Job, run_due
from chat.core.mail import MailError, compose, deliver
from chat.core.transaction import transaction
from tests.mailbox import Mailbox, html_of, text_of
from tests.system.ports import free_port

INJECTIONS = [
    text.format(end)
    for end in ("\r\n", "\n", "\r", "\r\n ", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")
    for text in ("Hi{}Bcc: mallory@example.net", "Hi{0}{0}<p>Another letter</p>", "{}To: mallory@example.net")
]


def set_to(app, **settings):
    for name, value in settings.items():
        object.__setattr__(app.config["PARLEY"], name, value)


def post(to="alice@example.org", subject="Hello", **values):
    with transaction():
        mail.send(to, subject, "test", **({"community": "Tidewater"} | values))


def jobs():
    db.session.rollback()
    return db.session.query(Job).order_by(Job.id).all()


def test_a_mail_arrives_as_text_and_as_html(mailbox):
    post()
    assert mailbox.letters == []  # nobody waits for a mail server
    run_due()

    (letter,) = mailbox.letters
    assert (letter["To"], letter["Subject"]) == ("alice@example.org", "Hello")
    assert letter["From"] == "Tidewater <chat@tidewater.example>"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Date"]
    assert letter["Message-ID"].endswith("@tidewater.example>")
    assert "Mail of Tidewater works" in text_of(letter)
    assert "<p>Mail of Tidewater works" in html_of(letter)
    assert mailbox.envelopes == [("chat@tidewater.example", ["alice@example.org"])]


def test_what_people_are_called_is_no_html_in_a_letter(mailbox):
    post(community="<script>alert(1)</script> & co")
    run_due()

    assert "<script>alert(1)</script> & co" in text_of(mailbox.letters[0])
    assert "<script>" not in html_of(mailbox.letters[0])


def test_a_transaction_that_fails_sends_nothing(mailbox):
    with pytest.raises(ZeroDivisionError), transaction():
        mail.send("alice@example.org", "Hello", "test", community="Tidewater")
        raise ZeroDivisionError
    run_due()

    assert mailbox.letters == []


def test_without_a_mail_server_nothing_waits(app):
    post()

    assert jobs() == []
    assert not mail.is_on()


def test_what_was_sent_is_not_kept(mailbox):
    post()
    run_due()

    assert [(job.data, bool(job.finished_at)) for job in jobs()] == [(None, True)]


@pytest.mark.parametrize("field", ["subject", "to", "community"])
@pytest.mark.parametrize("planted", INJECTIONS)
def test_no_line_end_begins_a_header_or_another_letter(app, mailbox, field, planted):
    """Either the letter is refused, or it arrives with the headers it should have, at the one address."""
    values = {"to": "alice@example.org", "subject": "Hello", "community": "Tidewater"}
    values[field] = f"{values[field]}{planted}"
    try:
        deliver(values["to"], values["subject"], "test", community=values["community"])
    except ValueError:
        assert mailbox.letters == []
        return

    (letter,) = mailbox.letters
    assert sorted(letter.keys()) == [
        "Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To",
    ]  # fmt: skip
    ((sender, recipients),) = mailbox.envelopes
    assert (sender, len(recipients)) == ("chat@tidewater.example", 1)
    assert "mallory" not in recipients[0]
    assert len(list(letter.iter_parts())) == 2


def test_there_are_thirty_ways_of_planting_a_header():
    assert len(set(INJECTIONS)) == 30


@pytest.mark.parametrize("answer", ["550 Unknown", "553 Not here"])
def test_a_refusal_for_good_is_not_tried_again(mailbox, answer):
    mailbox.answer = answer
    post()
    run_due()

    (job,) = jobs()
    assert (job.finished_at is not None, job.attempts, job.error) == (True, 1, None)


def test_a_refusal_for_now_is_tried_again_later(mailbox, monkeypatch):
    mailbox.answer = "450 Busy"
    post()
    run_due()
    (job,) = jobs()
    assert (job.finished_at, job.error) == (None, "MailError: The mail server asks to try later: [450]")

    mailbox.answer = None
    with transaction():
        db.session.query(Job).update({"run_at": now() - timedelta(seconds=1)})
    run_due()
    assert len(mailbox.letters) == 1


def test_a_server_that_is_away_says_so_without_the_password(app):
    set_to(app, smtp_url=f"smtp://chat:p%2Fss@127.0.0.1:{free_port()}", mail_from="chat@tidewater.example")

    with pytest.raises(MailError, match=r"did not take a mail: ConnectionRefusedError$"):
        deliver("alice@example.org", "Hello", "test", community="Tidewater")


def test_a_server_that_is_away_is_left_alone_for_a_while_so_that_other_work_does_not_wait(app, mailbox):
    set_to(app, smtp_url=f"smtp://127.0.0.1:{free_port()}")
    with pytest.raises(MailError, match="ConnectionRefusedError"):
        deliver("alice@example.org", "Hello", "test", community="Tidewater")
    set_to(app, smtp_url=mailbox.url)
    with pytest.raises(MailError, match="away a moment ago"):
        deliver("alice@example.org", "Hello", "test", community="Tidewater")
    assert mailbox.letters == []

    app.extensions["mail_away_until"] -= mail.AWAY_SECONDS
    assert deliver("alice@example.org", "Hello", "test", community="Tidewater")


def test_it_signs_in_with_the_name_and_the_password_of_the_address(app, mailbox):
    set_to(app, smtp_url=mailbox.url.replace("smtp://", "smtp://chat%40tidewater:p%2Fss%3Aword@"))
    assert deliver("alice@example.org", "Hello", "test", community="Tidewater")
    assert mailbox.signed_in == ["chat@tidewater"]

    set_to(app, smtp_url=mailbox.url.replace("smtp://", "smtp://chat:wrong@"))
    with pytest.raises(MailError, match="SMTPAuthenticationError"):
        deliver("alice@example.org", "Hello", "test", community="Tidewater")


def test_a_password_is_not_sent_without_tls(app, mailbox, monkeypatch):
    monkeypatch.setattr(mail, "LOOPBACK", ())
    set_to(app, smtp_url=mailbox.url.replace("smtp://", "smtp://chat:p%2Fss%3Aword@"))

    with pytest.raises(MailError, match="SMTPNotSupportedError"):
        deliver("alice@example.org", "Hello", "test", community="Tidewater")
    assert mailbox.signed_in == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(certificate, key) of a mail server at 127.0.0.1, signed by itself."""
    import subprocess

    folder = tmp_path_factory.mktemp("certificate")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mail",
            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]  # fmt: skip
    subprocess.run(made, cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("trusted", [True, False])
def test_tls_is_used_and_the_certificate_looked_at(app, certificate, tls, monkeypatch, scheme, trusted):
    box = Mailbox(**({"tls_context": tls, "require_starttls": True} if scheme == "smtp" else {"ssl_context": tls}))
    trust = ssl.create_default_context(cafile=certificate[0] if trusted else None)
    monkeypatch.setattr(mail, "_trust", lambda: trust)
    set_to(app, smtp_url=box.url.replace("smtp:", f"{scheme}:"), mail_from="chat@tidewater.example")
    try:
        if trusted:
            assert deliver("alice@example.org", "Hello", "test", community="Tidewater")
        else:
            with pytest.raises(MailError, match="SSLCertVerificationError"):
                deliver("alice@example.org", "Hello", "test", community="Tidewater")
        assert len(box.letters) == trusted
    finally:
        box.close()


def test_a_server_that_says_a_little_now_and_then_is_left_after_a_while(app, monkeypatch):
    """A letter every tenth of a second keeps every time limit of a single step, and would go on for ever."""
    monkeypatch.setattr(mail, "WHOLE_SECONDS", 0.5)
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip():
        connection, _ = listener.accept()
        with connection:
            while not over.wait(0.1):
                try:
                    connection.sendall(b"2")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    set_to(app, smtp_url=f"smtp://127.0.0.1:{listener.getsockname()[1]}", mail_from="chat@tidewater.example")
    began = time.monotonic()
    try:
        with pytest.raises(MailError):
            deliver("alice@example.org", "Hello", "test", community="Tidewater")
        assert time.monotonic() - began < 3
    finally:
        over.set()
        thread.join()
        listener.close()


def test_letters_need_no_request(app, mailbox):
    assert compose("alice@example.org", "Hello", "test", community="Tidewater")["Subject"] == "Hello"


def test_the_command_says_what_became_of_a_mail(app, mailbox):
    runner = app.test_cli_runner()
    done = runner.invoke(args=["mail", "test", "alice@example.org"])
    assert (done.exit_code, done.output) == (0, "The mail server has taken a mail to alice@example.org.\n")
    assert mailbox.letters[0]["Subject"] == "Mail of Tidewater works"

    mailbox.answer = "550 Unknown"
    done = runner.invoke(args=["mail", "test", "alice@example.org"])
    assert done.exit_code == 1
    assert "refused it" in done.output


def test_the_command_says_what_is_missing(app):
    done = app.test_cli_runner().invoke(args=["mail", "test", "alice@example.org"])

    assert done.exit_code == 1
    assert "SMTP_URL is empty" in done.output
