"""The control socket: owner only, bounded, and unimpressed by rubbish."""

import asyncio
import contextlib
import os
import stat

import pytest

from edge_agent.control import ask, serve_control


@contextlib.asynccontextmanager
async def serving(path):
    async def status(request):
        return {"units": []} if len(request) == 1 else {"got": request["unit"]}

    task = asyncio.create_task(serve_control(path, {"status": status}))
    while not path.exists():
        await asyncio.sleep(0)
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_answers_what_it_knows(tmp_path):
    path = tmp_path / "c.sock"
    async with serving(path):
        assert await ask(path, "status") == {"units": []}
        assert await ask(path, "status", unit="u1") == {"got": "u1"}
        assert await ask(path, "nonsense") == {"error": "unknown request; known: status"}
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert not path.exists()


async def test_rubbish_and_endless_lines_end_only_that_client(tmp_path):
    path = tmp_path / "c.sock"
    async with serving(path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"\xff\n[]\n" + b"x" * 100_000 + b"\n")
        answers = (await reader.read()).splitlines()
        writer.close()
        assert answers == [b'{"error": "not JSON"}', b'{"error": "unknown request; known: status"}']
        assert await ask(path, "status") == {"units": []}


async def test_no_agent_is_an_oserror(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        await ask(tmp_path / "c.sock", "status")


async def test_a_socket_that_cannot_be_made_is_said_and_ends_nothing_else(tmp_path, caplog):
    await serve_control(tmp_path / ("x" * 200), {})

    assert "no control socket at" in caplog.text
