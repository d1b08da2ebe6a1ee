"""The HTTP client against servers that answer well, late, too much, or something else."""

import asyncio
import contextlib
import ssl
from contextlib import asynccontextmanager, nullcontext

import pytest

from edge_agent.relay.http import exchange
from edge_agent.relay.mqtt import DatesRefusedError, RouteDownError
from edge_agent.relay.profiles.county import Request
from edge_agent.relay.tls import Tls
from tests.relay.authority import Authority

DAY_S = 86_400.0


@asynccontextmanager
async def server(answer, tls=None, seen=None):
    """A server that reads a request with a body of 2 bytes and sends `answer`, or nothing."""
    release = asyncio.Event()

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(2)
            if seen is not None:
                seen.append(head + body)
            if answer is None:
                await release.wait()
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        release.set()
        running.close()
        await running.wait_closed()


def request(port, scheme="http", **more):
    return Request("POST", f"{scheme}://localhost:{port}/a?b=c", (("X-Sign", "s"),), b"{}")


async def ask(answer, timeout_s=5.0, seen=None):
    async with server(answer, seen=seen) as port:
        return await exchange(request(port), timeout_s, nullcontext)


async def test_the_request_is_whole_and_the_answer_read_by_its_length():
    seen = []
    answer = await ask(
        b"HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 02:14:18 GMT\r\nContent-Length: 2\r\n\r\n{}x",
        seen=seen,
    )

    assert (answer.status, answer.body, answer.utc_s) == (200, b"{}", 1_795_400_058.0)
    (sent,) = seen
    assert sent.startswith(b"POST /a?b=c HTTP/1.1\r\nHost: localhost:")
    assert b"\r\nX-Sign: s\r\n" in sent
    assert sent.endswith(b"\r\n\r\n{}")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n1\r\n!\r\n0\r\n\r\n", b"ok!"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nDate: yesterday\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)  # fmt: skip
async def test_every_way_to_end_a_body_is_understood(answer, body):
    assert (await ask(answer)).body == body


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the answer is not HTTP/1"),
        (b"HTTP/1.1 abc\r\n\r\n", "the answer is not HTTP/1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n", "an answer over 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not a length: '-1'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n", "not a length: '1_0'"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000, "an answer over 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFF\r\n", "an answer over 65536 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         "invalid literal for int() with base 16: 'zz'"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabcd", "chunks that do not fit"),
    ],
)  # fmt: skip
async def test_what_is_no_answer_of_a_platform_is_refused(answer, message):
    with pytest.raises(RouteDownError) as caught:
        await ask(answer)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
     b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n"],
)  # fmt: skip
async def test_an_answer_that_ends_or_never_ends_is_refused(answer):
    with pytest.raises(RouteDownError):
        await ask(answer)


async def test_silence_ends_after_the_timeout():
    with pytest.raises(RouteDownError, match=r"no answer within 0\.1 s"):
        await ask(None, timeout_s=0.1)


async def test_nobody_there_is_a_route_that_is_down():
    async with server(b"") as port:
        pass
    with pytest.raises(RouteDownError):
        await exchange(request(port), 5.0, nullcontext)


async def test_https_without_an_authority_is_never_tried():
    with pytest.raises(RouteDownError, match="https:// without a CA to trust"):
        await exchange(request(1, "https"), 5.0, nullcontext)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


async def over_tls(authority, certificate, dates_from_s=None):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with server(answer, tls=context) as port:
        made = request(port, "https")
        return await exchange(made, 5.0, nullcontext, Tls(str(authority.ca)), dates_from_s)


async def test_tls_to_the_right_host_is_answered(authority):
    assert (await over_tls(authority, authority.issue("good"))).body == b"ok"


async def test_tls_to_another_host_is_refused(authority):
    with pytest.raises(RouteDownError) as caught:
        await over_tls(authority, authority.issue("other", host="elsewhere"))
    assert not isinstance(caught.value, DatesRefusedError)


async def test_dates_alone_are_told_apart_and_may_be_left_unchecked_by_an_untrusted_clock(
    authority,
):
    certificate = authority.issue("future", from_days=10)
    with pytest.raises(DatesRefusedError):
        await over_tls(authority, certificate)
    assert (await over_tls(authority, certificate, dates_from_s=DAY_S)).body == b"ok"


async def test_a_certificate_that_had_ended_for_sure_is_refused_all_the_same(authority):
    import time

    certificate = authority.issue("past", from_days=-20, to_days=-10)
    with pytest.raises(RouteDownError, match="the server's certificate has ended"):
        await over_tls(authority, certificate, dates_from_s=time.time() - DAY_S)
