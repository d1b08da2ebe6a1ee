"""Relays bytes between an agent and a broker, and notes when a suspicion went by.

It runs in threads of this process and reads what the agent has written, so the time that it takes
counts against the agent.
"""

import re
import socket
import threading
import time
from contextlib import suppress

TOPIC = re.compile(rb"/alarm/[0-9a-f-]{36}")
STATE = b'"suspected"'


class Tap:
    """Notes when the suspicion of each alarm went by."""

    def __init__(self, broker_port: int) -> None:
        self.published: dict[bytes, float] = {}
        self._broker_port = broker_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._serve, name="tap", daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                agent, _ = self._server.accept()
                broker = socket.create_connection(("127.0.0.1", self._broker_port))
                for one in (agent, broker):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for source, sink, watch in ((agent, broker, True), (broker, agent, False)):
                    work = threading.Thread(
                        target=self._relay, args=(source, sink, watch), daemon=True
                    )
                    work.start()

    def _relay(self, source: socket.socket, sink: socket.socket, watch: bool) -> None:
        seen = b""
        with suppress(OSError):
            while data := source.recv(65536):
                now_s = time.perf_counter()
                sink.sendall(data)
                if watch:
                    seen = self._note(seen + data, now_s)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _note(self, seen: bytes, now_s: float) -> bytes:
        """Note the alarms whose suspicion is there, and return what may be the start of one."""
        for topic in TOPIC.finditer(seen):
            if STATE in seen[topic.end() : topic.end() + 4000]:
                self.published.setdefault(topic[0], now_s)
        return seen[-8000:]
