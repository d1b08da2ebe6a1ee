"""One HTTP/1.1 request over asyncio: bounded in time and size, one connection each.

A client library would serve (aiohttp), at 11.5 MB resident on the Pi, for one POST an alarm; and
the rule for a wrong clock (`tls.py`) wants the TLS context and the peer's certificate in hand.
Only what a platform's API answers with is understood: no redirects, cookies or compression.

Source: RFC 9112, sections 4 (status line), 6.3 (length of a body) and 7.1 (chunks).
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from urllib.parse import urlsplit

from edge_agent.clock import parse_utc_form
from edge_agent.relay.mqtt import DatesRefusedError, RouteDownError
from edge_agent.relay.profiles.county import Request
from edge_agent.relay.tls import Tls, ended_before, is_about_dates

MAX_HEAD_BYTES = 16_384
MAX_BODY_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Response:
    """A server's answer; `utc_s` is the time of its `Date`, if it had one."""

    status: int
    body: bytes
    utc_s: float | None


async def exchange(
    request: Request,
    timeout_s: float,
    outside: Callable[[], AbstractContextManager[None]],
    tls: Tls | None = None,
    dates_from_s: float | None = None,
) -> Response:
    """Send one request and return the answer.

    Args:
        request: an https:// one needs `tls`.
        timeout_s: for all of it.
        outside: see `Clock.outside`.
        tls: the CA that is trusted, and who we are.
        dates_from_s: see `relay.mqtt.connected`.

    Raises:
        DatesRefusedError: the certificate is fine but for its dates, by our clock.
        RouteDownError: no answer, or none that is HTTP. It may or may not have arrived.
    """
    url = urlsplit(request.url)
    context = None
    if url.scheme == "https":
        if tls is None:
            raise RouteDownError("https:// without a CA to trust")
        try:
            context = tls.context(check_dates=dates_from_s is None)
        except OSError as error:
            raise RouteDownError(f"TLS files cannot be used: {error}") from None
    port = url.port or (80 if context is None else 443)
    writer = None
    try:
        with outside():
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_connection(
                    url.hostname, port, ssl=context, limit=MAX_HEAD_BYTES
                )
                if dates_from_s is not None and ended_before(
                    writer.get_extra_info("peercert"), dates_from_s
                ):
                    raise RouteDownError("the server's certificate has ended")
                writer.write(_encode(request))
                await writer.drain()
                return await _read(reader)
    except TimeoutError:
        raise RouteDownError(f"no answer within {timeout_s:g} s") from None
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        if is_about_dates(error):
            raise DatesRefusedError(str(error)) from None
        raise RouteDownError(str(error) or type(error).__name__) from None
    finally:
        if writer is not None:
            writer.transport.abort()  # the answer is whole, or nobody wants the rest


def _encode(request: Request) -> bytes:
    url = urlsplit(request.url)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [
        f"{request.method} {target} HTTP/1.1",
        f"Host: {url.netloc}",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(request.body)}",
        "Accept: application/json",
        "Connection: close",
        *(f"{name}: {value}" for name, value in request.headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + request.body


async def _read(reader: asyncio.StreamReader) -> Response:
    """Read an answer.

    Raises:
        ValueError: it is not HTTP, or larger than anything a platform has to say.
    """
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        version, _, rest = head[0].partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal() or len(rest[:3]) < 3:
            raise ValueError("the answer is not HTTP/1")
        status = int(rest[:3])
        if status >= 200:
            break  # 1xx come before the answer
    headers: dict[str, str] = {}
    for line in head[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if status in (204, 304):
        body = b""
    elif "chunked" in headers.get("transfer-encoding", "").lower():
        body = await _read_chunks(reader)
    elif "content-length" in headers:
        length = _size(headers["content-length"], 10)
        body = await reader.readexactly(length)
    else:
        body = await _read_rest(reader)
    return Response(status, body, _date(headers.get("date", "")))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = _size(line.decode("latin-1").partition(";")[0].strip(), 16)
        if size == 0:
            return body
        body += await reader.readexactly(size)
        if len(body) > MAX_BODY_BYTES or await reader.readexactly(2) != b"\r\n":
            raise ValueError("chunks that do not fit")


async def _read_rest(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while part := await reader.read(MAX_BODY_BYTES):
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise ValueError(f"an answer over {MAX_BODY_BYTES} bytes")
    return body


def _size(text: str, base: int) -> int:
    if not 0 < len(text) <= 8 or not text.isalnum() or not text.isascii():
        raise ValueError(f"not a length: {text[:20]!r}")
    size = int(text, base)
    if size > MAX_BODY_BYTES:
        raise ValueError(f"an answer over {MAX_BODY_BYTES} bytes")
    return size


def _date(text: str) -> float | None:
    try:
        return parse_utc_form(text, "%a, %d %b %Y %H:%M:%S GMT")
    except ValueError:
        return None
