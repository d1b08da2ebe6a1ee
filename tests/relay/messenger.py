"""A messenger's server, as apprise's `json://` talks to it."""

import asyncio
import json
from contextlib import asynccontextmanager


class Server:
    """An HTTP server that takes messages, refuses them, or never answers."""

    def __init__(self):
        self.answer = 200
        self.got = []
        self.asked = 0
        self.asked_s = []

    async def handle(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                int(line.split(":")[1])
                for line in head.splitlines()
                if line.lower().startswith("content-length")
            )
            message = json.loads(await reader.readexactly(length))
            self.asked += 1
            self.asked_s.append(asyncio.get_running_loop().time())
            if self.answer is None:
                await reader.read()  # until the peer has enough
                return
            if self.answer == 200:
                self.got.append(message)
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % self.answer)
            await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def serving():
    server = Server()
    async with await asyncio.start_server(server.handle, "127.0.0.1", 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        server.url = f"json://127.0.0.1:{server.port}/hook?key=SECRET"
        yield server
