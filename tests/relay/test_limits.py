"""What routes promise in numbers, whatever they speak: how long, how many, how much."""

from contextlib import nullcontext

import pytest

from edge_agent.alarm.alarm import State
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch, Row
from edge_agent.relay.http import exchange
from edge_agent.relay.mqtt import RouteDownError
from edge_agent.relay.parking import Parking
from edge_agent.relay.profile import (
    Answer,
    CommandError,
    Parameters,
    PeerError,
    Verdict,
    decode,
    make_command,
    retry_wait_s,
)
from edge_agent.relay.profiles.county import Request
from edge_agent.relay.reserve import Reserve
from edge_agent.relay.route import Standing
from edge_agent.relay.waiting import Waiting
from tests.relay.test_http import server
from tests.test_outbox import make_alarm


def alarm(name):
    return make_alarm(name, state=State.CONFIRMED)


def row(alarm_id, number=1, event=1):
    return Row(number, alarm_id, event, b"{}", 0)


# -- rows -----------------------------------------------------------------------------------------


@pytest.mark.fast
def test_sixteen_rows_are_asked_for_at_a_time_and_eight_tries_of_each_are_understood():
    waiting = Waiting()
    rows = [row(f"a{number}") for number in range(17)]
    for one in rows[:15]:
        waiting.sent(one, one.alarm_id, 5.0)
    assert waiting.choose(rows, 0.0) == rows[15]
    waiting.sent(rows[15], "x", 5.0)
    assert waiting.choose(rows, 0.0) is None

    for number in range(9):
        waiting.sent(rows[0], f"try {number}", 5.0)
    assert not waiting.holds("try 0")
    assert all(waiting.holds(f"try {number}") for number in range(1, 9))


@pytest.mark.fast
def test_the_outbox_is_read_as_far_as_what_waits_needs_and_never_beyond_512_rows():
    waiting = Waiting()
    assert waiting.begin_read() == 1
    for number in range(200):
        waiting.sent(row(f"a{number}"), f"k{number}", 5.0)
        assert waiting.begin_read() == min(512, 5 + 4 * number)
    assert waiting.take(Verdict(Answer.ACCEPTED, "k0"), 1.0, 0.5) == row("a0")
    assert waiting.begin_read() == 512


@pytest.mark.fast
def test_what_is_to_be_stored_still_counts_for_how_far_the_outbox_is_read():
    waiting = Waiting()
    for number in range(3):
        waiting.sent(row(f"a{number}"), f"k{number}", 5.0)
    for number in range(3):
        waiting.take(Verdict(Answer.ACCEPTED, f"k{number}"), 1.0, 0.5)
    assert waiting.begin_read() == 13
    waiting.stored(row("a1"))
    assert waiting.begin_read() == 9


@pytest.mark.fast
def test_a_reserve_remembers_1000_alarms_that_it_speaks_for():
    reserve = Reserve(lambda *_: True)
    for number in range(1001):
        reserve.sent(row(f"a{number}"))
    rows = [row("a0"), row("a1"), row("a1000")]
    assert reserve.sort(rows, 0.0) == (rows[1:], rows[:1])


@pytest.mark.parametrize(
    ("attempts", "least_s", "most_s"), [(1, 1, 2), (2, 1, 4), (4, 1, 16), (5, 1, 30), (99, 1, 30)]
)
@pytest.mark.fast
def test_a_message_goes_again_after_1_s_or_up_to_30_s_later(attempts, least_s, most_s):
    assert (retry_wait_s(attempts, 0.0), retry_wait_s(attempts, 1.0)) == (least_s, most_s)
    assert retry_wait_s(attempts, 0.5) == (least_s + most_s) / 2


async def test_a_thousand_parked_rows_are_told_apart_and_more_count_as_a_thousand(tmp_path, caplog):
    outbox = Outbox(tmp_path / "o.db", ["mqtt"], nullcontext)
    await outbox.open()
    await outbox.put(Batch([alarm(f"a{number}") for number in range(1002)]), 1.0)
    await outbox._do(lambda store: store._db.execute("PRAGMA synchronous=OFF"))
    await outbox._do(lambda store: store._db.execute("UPDATE deliveries SET attempts = 2"))
    standing = Standing()
    parking = Parking("mqtt", outbox, standing)
    rows = await outbox.pending("mqtt", 1002)
    for number, one in enumerate(rows):
        assert await parking.count_attempt(one, "why")
        assert standing.parked == min(1000, number + 1)
    assert standing.refused == "why"
    assert caplog.messages[0] == "route mqtt: parked a0 event 1: why"
    parking.accepted(rows[0])
    assert (standing.parked, standing.refused) == (999, "why")
    await outbox.close()


# -- sizes ----------------------------------------------------------------------------------------


@pytest.mark.fast
def test_a_command_of_64_and_200_letters_is_one_and_a_longer_one_is_none():
    most = Parameters(transaction="t" * 64, reason="r" * 200)
    command = make_command("ack", "mqtt", "", most)
    assert (command.transaction, command.reason) == (most.transaction, most.reason)
    for more in (Parameters(transaction="t" * 65), Parameters(reason="r" * 201)):
        with pytest.raises(CommandError, match=r"^transaction over 64 or reason over 200 char"):
            make_command("ack", "mqtt", "", more)
    with pytest.raises(CommandError, match=r"^no command 'x{64}'$"):
        make_command("x" * 99, "mqtt", "", Parameters())


@pytest.mark.fast
def test_what_is_longer_than_16_kib_is_not_even_parsed():
    assert decode(b" " * (16 * 1024 - 2) + b"{}", dict) == {}
    with pytest.raises(PeerError, match=r"^longer than 16384 bytes$"):
        decode(b" " * (16 * 1024 - 1) + b"{}", dict)


async def answer(head_bytes, body_bytes):
    start = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX: " % body_bytes
    head = start + b"x" * (head_bytes - len(start) - 4) + b"\r\n\r\n"
    async with server(head + b"y" * body_bytes) as port:
        request = Request("POST", f"http://localhost:{port}/", (), b"{}")
        return await exchange(request, 5.0, nullcontext)


async def test_an_answer_may_have_a_head_of_16_kib_and_a_body_of_64():
    assert len((await answer(16_000, 64 * 1024)).body) == 64 * 1024
    with pytest.raises(RouteDownError):
        await answer(17_000, 2)


async def until_the_end(body_bytes):
    async with server(b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * body_bytes) as port:
        request = Request("POST", f"http://localhost:{port}/", (), b"{}")
        return await exchange(request, 5.0, nullcontext)


async def test_a_body_without_a_length_may_have_64_kib_too():
    assert len((await until_the_end(64 * 1024)).body) == 64 * 1024
    with pytest.raises(RouteDownError, match=r"^an answer over 65536 bytes$"):
        await until_the_end(64 * 1024 + 1)


async def test_chunks_may_sum_up_to_64_kib():
    async def chunks(*sizes):
        body = b"".join(b"%x\r\n%b\r\n" % (size, b"y" * size) for size in (*sizes, 0))
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"
        async with server(head + body) as port:
            request = Request("POST", f"http://localhost:{port}/", (), b"{}")
            return await exchange(request, 5.0, nullcontext)

    assert len((await chunks(60_000, 5536)).body) == 64 * 1024
    with pytest.raises(RouteDownError, match=r"^chunks that do not fit$"):
        await chunks(60_000, 5537)
