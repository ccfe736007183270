import threading

from chat.core.gates import Gate, Turns


def test_who_waits_at_a_gate_goes_on_when_it_opens():
    gate, passed = Gate(), []
    waiting = threading.Thread(target=lambda: passed.append(gate.wait()))
    waiting.start()
    assert not gate.is_set()

    gate.set()
    waiting.join(5)

    assert passed == [None] and gate.is_set()


def test_an_open_gate_keeps_nobody():
    gate = Gate()
    gate.set()
    gate.set()

    assert gate.wait() is None


def test_turns_let_one_in_after_the_other_and_the_same_one_twice():
    turns, order, inside = Turns(), [], threading.Event()

    def second():
        inside.set()
        with turns:
            order.append("second")

    with turns:
        other = threading.Thread(target=second)
        other.start()
        inside.wait(5)
        with turns:
            order.append("first, again")
        order.append("first")
    other.join(5)

    assert order == ["first, again", "first", "second"]


def test_turns_that_nobody_wants_hold_no_lock():
    turns = Turns()
    with turns:
        pass

    assert turns._lock is None
