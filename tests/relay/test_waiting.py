"""Rows that wait for a platform's word: retried for ever, never in each other's way, in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.outbox.rows import Row
from edge_agent.relay.profile import Answer, Verdict
from edge_agent.relay.waiting import MAX_IN_FLIGHT, MAX_KEYS, Waiting

pytestmark = pytest.mark.fast

ACCEPTED, REJECTED, RETRY = Answer.ACCEPTED, Answer.REJECTED, Answer.RETRY


def row(alarm_id="a", event=1, number=1):
    return Row(number, alarm_id, event, b"{}", 0)


def test_an_acceptance_settles_the_row_of_its_key_and_no_other():
    waiting = Waiting()
    a, b = row("a", number=1), row("b", number=2)
    waiting.sent(a, "1", 5.0)
    waiting.sent(b, "2", 5.0)

    assert waiting.take(Verdict(ACCEPTED, "3"), 1.0, 0.5) is None
    assert waiting.take(Verdict(ACCEPTED, "2"), 1.0, 0.5) == b
    assert waiting.take(Verdict(ACCEPTED, "2"), 1.0, 0.5) is None
    assert waiting.take(Verdict(REJECTED, "1"), 1.0, 0.5) == a


def test_silence_is_asked_again_after_5_s_and_then_1_to_30_s_for_ever():
    waiting, a, now_s, gaps = Waiting(), row(), 0.0, []
    for number in range(50):
        assert waiting.choose([a], now_s) == a
        waiting.sent(a, str(number), now_s + 5.0)
        assert waiting.choose([a], now_s + 4.9) is None
        assert waiting.expire(now_s + 4.9, 1.0) == []
        assert waiting.expire(now_s + 5.0, 1.0) == [a]
        due_s = waiting.next_due_s()
        gaps.append(due_s - now_s - 5.0)
        assert waiting.choose([a], due_s - 0.01) is None
        now_s = due_s
    assert gaps[:5] == pytest.approx([2, 4, 8, 16, 30])
    assert max(gaps) == pytest.approx(30.0)


def test_a_silent_alarm_does_not_hold_back_another_but_its_own_next_event():
    waiting = Waiting()
    rows = [row("a", 1, 1), row("a", 2, 2), row("b", 1, 3)]
    waiting.sent(rows[0], "1", 5.0)

    assert waiting.choose(rows, 1.0) == rows[2]
    waiting.expire(5.0, 0.0)
    assert waiting.choose(rows, 5.5) == rows[2]
    assert waiting.choose(rows, 6.0) == rows[0]


def test_a_new_alarm_behind_many_in_flight_goes_when_their_time_is_over():
    waiting = Waiting()
    rows = [row(f"a{number}", 1, number) for number in range(MAX_IN_FLIGHT)]
    for one in rows:
        waiting.sent(one, str(one.row), 5.0)
    new = row("new", 1, 99)

    assert waiting.begin_read() > len(rows)
    assert waiting.choose([*rows, new], 1.0) is None
    waiting.expire(5.0, 0.5)
    assert waiting.choose([*rows, new], 5.0) == new


def test_a_verdict_during_a_reading_of_the_outbox_sends_nothing_twice():
    waiting = Waiting()
    waiting.sent(row(), "1", 5.0)
    waiting.begin_read()  # the row is still pending in what this reads
    waiting.take(Verdict(ACCEPTED, "1"), 1.0, 0.5)

    assert waiting.choose([row()], 1.0) is None
    waiting.stored(row())
    assert waiting.choose([row()], 1.0) is None
    waiting.begin_read()  # begun after the commit: were it pending now, it would have to go
    assert waiting.choose([row()], 1.0) == row()


def test_a_late_acceptance_of_an_earlier_try_settles_and_a_late_rejection_does_not():
    waiting = Waiting()
    waiting.sent(row(), "1", 5.0)
    waiting.expire(5.0, 0.0)
    waiting.sent(row(), "2", 11.0)

    assert waiting.take(Verdict(REJECTED, "1"), 7.0, 0.5) is None
    assert waiting.take(Verdict(ACCEPTED, "1"), 7.0, 0.5) == row()


def test_a_retry_with_no_key_is_of_what_went_last():
    waiting = Waiting()
    waiting.sent(row("a"), "1", 5.0)
    waiting.sent(row("b"), "2", 5.0)

    assert waiting.take(Verdict(RETRY), 1.0, 0.0) is None
    assert waiting.choose([row("b")], 1.5) is None
    assert waiting.choose([row("b")], 2.0) == row("b")
    assert waiting.choose([row("a")], 2.0) is None


def test_what_a_lost_connection_had_in_flight_goes_again_at_once():
    waiting = Waiting()
    waiting.sent(row(), "1", 5.0)
    waiting.lost()

    assert waiting.choose([row()], 0.1) == row()


def test_the_next_event_goes_when_the_one_before_was_parked():
    waiting = Waiting()
    waiting.sent(row("a", 1), "1", 5.0)

    assert waiting.choose([row("a", 2)], 0.1) == row("a", 2)


def test_a_row_that_is_numbered_anew_is_settled_by_its_new_number():
    waiting = Waiting()
    waiting.sent(row(number=1), "1", 5.0)
    waiting.lost()
    waiting.sent(row(number=7), "2", 6.0)

    assert waiting.take(Verdict(ACCEPTED, "2"), 1.0, 0.5).row == 7


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["send", "accept", "retry", "late", "lost", "expire"]),
            st.integers(0, 5),
        ),
        max_size=60,
    )
)
def test_whatever_happens_every_row_can_still_go_and_memory_is_bounded(steps):
    waiting, now_s, number = Waiting(), 0.0, 0
    rows = [row(f"a{at}", 1, at) for at in range(6)]
    left = list(rows)
    for what, at in steps:
        now_s += 1.0
        if what == "send" and (chosen := waiting.choose(left, now_s)):
            number += 1
            waiting.sent(chosen, str(number), now_s + 5.0)
        elif what in ("accept", "retry", "late"):
            answer = RETRY if what == "retry" else ACCEPTED
            settled = waiting.take(Verdict(answer, str(max(1, number - at))), now_s, 0.5)
            if settled is not None:
                left.remove(settled)
                waiting.stored(settled)
        elif what == "lost":
            waiting.lost()
        elif what == "expire":
            waiting.expire(now_s, 1.0)
    assert all(len(one.keys) <= MAX_KEYS for one in waiting._tries.values())
    waiting.begin_read()
    waiting.expire(now_s + 5.0, 1.0)
    going = set()
    while (chosen := waiting.choose(left, now_s + 60.0)) and chosen.alarm_id not in going:
        going.add(chosen.alarm_id)
        waiting.sent(chosen, "x" + chosen.alarm_id, now_s + 100.0)
    assert going == {one.alarm_id for one in left}
