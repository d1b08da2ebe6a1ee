"""The crash harness's gate between agent and broker: it can swallow everything in silence."""

import asyncio

SWALLOW_S = 14.0
"""The agent gives a silent connection up within 10 s; after this it is let go anyway."""


class Gate:
    """Carries the agent's connections to the broker, while the watcher listens."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._swallowing: set[asyncio.StreamWriter] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self.is_open = asyncio.Event()
        self.port = 0
        self.accepted = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def swallow(self) -> None:
        """Pass on nothing of the connections there are now, and say nothing."""
        self._swallowing |= self._open

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_writer = None
        try:
            await self.is_open.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
            self._open.add(writer)
            self.accepted += 1
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, far_writer, writer, end=writer))
                group.create_task(self._pass_on(far_reader, writer, writer, end=far_writer))
        except (OSError, ExceptionGroup):
            pass
        finally:
            self._open.discard(writer)
            self._swallowing.discard(writer)
            for each in (writer, far_writer):
                if each is not None:
                    each.close()

    async def _pass_on(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        name: asyncio.StreamWriter,
        end: asyncio.StreamWriter,
    ) -> None:
        while data := await source.read(65_536):
            if name not in self._swallowing:
                sink.write(data)
                await sink.drain()
        if name in self._swallowing and end is not name:
            await asyncio.sleep(
                SWALLOW_S
            )  # the broker hung up: the agent does not hear that either
        raise ConnectionResetError
