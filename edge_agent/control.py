"""The control socket: a local, owner-only line for `anzhen status` (JSON lines).

One request a line, `{"do": "status"}` and what that request takes, one answer a line. Requests
are bounded; a client that does not read is dropped.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)

MAX_REQUEST = 4096
CLIENT_S = 10.0

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Takes the request. What is wrong with it is answered as `{"error": ...}`."""


async def serve_control(path: Path, requests: dict[str, Answer]) -> None:
    """Answer requests until cancelled."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CLIENT_S):
                while line := await reader.readline():
                    answer = await _answer(line, requests)
                    writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                    await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            pass  # a client too slow, too long-winded or gone is its own loss
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    try:
        listener = _listen(path)
    except OSError as error:  # alarms do not depend on it
        _log.error("no control socket at %s: %s", path, error)
        return
    server = await asyncio.start_unix_server(serve, sock=listener, limit=MAX_REQUEST)
    try:
        await server.serve_forever()
    finally:
        _remove(path)


async def ask(path: Path, what: str, **values: str | float) -> dict[str, Any]:
    """Ask a running agent.

    Args:
        path: of its socket.
        what: the request's name.
        values: what the request takes.

    Raises:
        OSError: no agent listens there.
        ValueError: what answered is no agent.
    """
    async with asyncio.timeout(CLIENT_S):
        reader, writer = await asyncio.open_unix_connection(path, limit=16 * 1024 * 1024)
        try:
            writer.write(json.dumps({"do": what, **values}).encode() + b"\n")
            answer = json.loads(await reader.readline() or b"null")
        finally:
            writer.close()
    if not isinstance(answer, dict):
        raise ValueError("no answer")
    return answer


def _listen(path: Path) -> socket.socket:
    _remove(path)  # left by an agent that was killed; the state lock says it is not running
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    return listener


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _answer(line: bytes, requests: dict[str, Answer]) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {"error": "not JSON"}
    what = request.get("do") if isinstance(request, dict) else None
    if not isinstance(what, str) or what not in requests:
        return {"error": f"unknown request; known: {', '.join(requests)}"}
    return await requests[what](request)
