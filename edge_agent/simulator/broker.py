"""An MQTT broker of our own on loopback, for a laptop that has none (amqtt, in a thread)."""

import asyncio
import logging
import socket
import threading
from concurrent.futures import Future
from types import TracebackType

from amqtt.broker import Broker

START_S = 20.0


class EmbeddedBroker:
    """`with EmbeddedBroker() as port:`. It lives in real time, on an event loop of its own."""

    def __init__(self) -> None:
        self._ready: Future[int] = Future()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def __enter__(self) -> int:
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._thread.start()
        return self._ready.result(START_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            else:
                logging.getLogger(__name__).exception("the broker ended")

    async def _serve(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
                "plugins": {
                    "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
                },
            }
        )
        await broker.start()
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set_result(port)
        await self._stop.wait()
        await broker.shutdown()
