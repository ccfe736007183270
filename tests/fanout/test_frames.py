from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat.fanout import frames
from chat.fanout.frames import (
    BINARY,
    CLOSE,
    NOT_TEXT,
    PING,
    PONG,
    PROTOCOL,
    TEXT,
    TOO_BIG,
    FrameReader,
    Refused,
    closing,
    frame,
    unmask,
)
from tests.system.attack import masked

LIMIT = 70_000
masks = st.binary(min_size=4, max_size=4)
sizes = st.sampled_from([0, 1, 2, 3, 124, 125, 126, 127, 300, 65_535, 65_536])


@st.composite
def conversations(draw):
    """(bytes as a client may send them, the messages that are in them)."""
    sent, messages = b"", []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["whole", "control", "fragments"]))
        if kind == "control":
            opcode, body = draw(st.sampled_from([PING, PONG])), draw(st.binary(max_size=125))
            sent += masked(body, opcode, mask=draw(masks))
            messages.append((opcode, body))
            continue
        opcode = draw(st.sampled_from([TEXT, BINARY]))
        size = draw(sizes)
        body = (b"ab\xc3\xa4" * (size // 4 + 1))[: size - size % 4]
        cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4))) if kind == "fragments" else []
        edges = [0, *cuts, len(body)]
        for place, (start, end) in enumerate(pairwise(edges)):
            last = place == len(edges) - 2
            sent += masked(body[start:end], 0 if place else opcode, fin=last, mask=draw(masks))
            if not last and draw(st.booleans()):  # a ping may come between the pieces of a message
                sent += masked(b"hi", PING)
                messages.append((PING, b"hi"))
        messages.append((opcode, body))
    return sent, messages


@settings(max_examples=150, deadline=None)
@given(conversations(), st.lists(st.integers(1, 5000), min_size=1, max_size=30))
def test_however_the_bytes_are_cut_the_messages_are_the_same(conversation, pieces):
    sent, messages = conversation
    reader, got, at, turn = FrameReader(), [], 0, 0
    while at < len(sent):
        size = pieces[turn % len(pieces)] if turn < 200 else 9000
        got += reader.feed(sent[at : at + size], LIMIT)
        at, turn = at + size, turn + 1

    assert got == messages


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), masks)
@example(b"\x00" * 5, b"\x00\x00\x00\xff")
def test_a_mask_comes_off_as_byte_by_byte(body, mask):
    assert unmask(body, mask) == bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 40))
def test_any_bytes_are_messages_or_refused_and_nothing_else(data, size):
    reader = FrameReader()
    try:
        for start in range(0, len(data), size):
            for opcode, body in reader.feed(data[start : start + size], 300):
                assert opcode in (TEXT, BINARY, CLOSE, PING, PONG) and len(body) <= 300
    except Refused as refusal:
        assert refusal.code in (PROTOCOL, NOT_TEXT, TOO_BIG)


EXTENDED = b"\x81" + bytes((0x80 | 126,))
HUGE = b"\x81" + bytes((0x80 | 127,))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked("hi", mask=None), PROTOCOL),
        (masked("hi", reserved=0x40), PROTOCOL),
        (masked("hi", reserved=0x20), PROTOCOL),
        (masked("hi", reserved=0x10), PROTOCOL),
        *[(masked("hi", opcode), PROTOCOL) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
        (masked("hi", 0), PROTOCOL),
        (masked("a", fin=False) + masked("b"), PROTOCOL),
        (masked("a", fin=False) + masked("b", BINARY), PROTOCOL),
        (masked("hi", PING, fin=False), PROTOCOL),
        (masked("hi", CLOSE, fin=False), PROTOCOL),
        (masked("x" * 126, PING), PROTOCOL),
        (masked("x" * 126, CLOSE), PROTOCOL),
        (EXTENDED + (5).to_bytes(2, "big") + b"\0" * 9, PROTOCOL),
        (HUGE + (5).to_bytes(8, "big") + b"\0" * 9, PROTOCOL),
        (HUGE + (65_535).to_bytes(8, "big") + b"\0" * 9, PROTOCOL),
        (HUGE + (2**63).to_bytes(8, "big") + b"\0" * 4, TOO_BIG),
        (masked(b"", length=LIMIT + 1), TOO_BIG),
        (masked(b"\xff"), NOT_TEXT),
        (masked(b"\xed\xa0\x80"), NOT_TEXT),
        (masked(b"\xc3", fin=False) + masked(b"x", 0), NOT_TEXT),
        (masked(b"\x03", CLOSE), PROTOCOL),
        *[
            (masked(code.to_bytes(2, "big"), CLOSE), PROTOCOL)
            for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535)
        ],
        (masked((1000).to_bytes(2, "big") + b"\xff", CLOSE), NOT_TEXT),
    ],
)
def test_what_the_rfc_forbids_is_refused_with_its_code(sent, code):
    with pytest.raises(Refused) as whole:
        FrameReader().feed(sent, LIMIT)
    reader = FrameReader()
    with pytest.raises(Refused) as by_bytes:
        for byte in sent:
            reader.feed(bytes((byte,)), LIMIT)

    assert whole.value.code == by_bytes.value.code == code


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 3000, 4999])
def test_a_close_frame_may_say_why(code):
    body = code.to_bytes(2, "big") + "schön".encode()

    assert FrameReader().feed(masked(body, CLOSE) + masked(b"", CLOSE), LIMIT) == [(CLOSE, body), (CLOSE, b"")]


def test_text_that_is_cut_inside_a_character_is_text():
    assert FrameReader().feed(masked(b"\xc3", fin=False) + masked(b"\xa4", 0), LIMIT) == [(TEXT, "ä".encode())]


def test_the_limit_counts_all_fragments_together():
    reader, piece = FrameReader(), b"x" * 1000
    reader.feed(masked(piece, fin=False), 10_000)
    for _ in range(9):
        reader.feed(masked(piece, 0, fin=False), 10_000)
    with pytest.raises(Refused) as refusal:
        reader.feed(masked(b"x", 0), 10_000)

    assert refusal.value.code == TOO_BIG


def test_fragments_without_a_byte_do_not_gather_for_ever():
    reader = FrameReader()
    reader.feed(masked("", fin=False), LIMIT)
    with pytest.raises(Refused) as refusal:
        for _ in range(1100):
            reader.feed(masked(b"", 0, fin=False), LIMIT)

    assert refusal.value.code == PROTOCOL


def test_nothing_is_kept_of_a_message_that_is_announced_too_large():
    reader = FrameReader()
    with pytest.raises(Refused):
        reader.feed(masked(b"", length=2**40), LIMIT)


def test_a_client_that_sends_single_bytes_has_nothing_copied_for_it(monkeypatch):
    """64 KiB in single bytes: copying all that was gathered for each of them would be 2 GB. Every byte is copied out of
    the buffer once, and the mask is taken off once."""
    copied = []
    monkeypatch.setattr(frames, "bytes", lambda value=b"": copied.append(len(value)) or bytes(value), raising=False)
    unmasked = []
    monkeypatch.setattr(frames, "unmask", lambda body, mask: unmasked.append(len(body)) or unmask(body, mask))
    reader, sent = FrameReader(), masked("x" * 65_000)
    got = [message for byte in sent for message in reader.feed(bytes((byte,)), LIMIT)]

    assert got == [(TEXT, b"x" * 65_000)]
    assert unmasked == [65_000]
    assert sum(copied) < len(sent) + 100


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_our_own_frames_are_whole_unmasked_and_as_short_as_can_be(size):
    made = frame(b"x" * size)
    head = 2 if size < 126 else 4 if size < 65_536 else 10

    assert len(made) == head + size and made[0] == 0x81 and not made[1] & 0x80
    assert int.from_bytes(made[1 if head == 2 else 2 : head], "big") == size


def test_a_goodbye_says_its_code():
    assert closing(1012) == b"\x88\x02" + (1012).to_bytes(2, "big")
