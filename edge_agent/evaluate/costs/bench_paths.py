"""Our two ways from packets to falls, as the benchmark plays them, and what a stream holds.

```
 detector   each stream: Assembler --> FallDetector
 engine     all streams: FallEngine.put_all, then poll, for each drain
```
"""

import tracemalloc
from collections.abc import Callable, Sequence

from edge_agent.detect.falls.engine import FallEngine
from edge_agent.detect.falls.fall import FallDetector
from edge_agent.detect.falls.upright import Upright
from edge_agent.evaluate.costs.bench_signals import messages_of, packets_of, quiet
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Gap
from protocol.messages import Samples
from protocol.quantities import ACCELERATION

Packets = Sequence[tuple[int, bytes]]
"""(first sample, bytes) of each."""

Feed = Callable[[int, int], None]
"""Plays packets first to last."""

Begin = Callable[[Packets, int], Feed]
"""Takes the packets and the number of streams that all get them."""


def begin_detectors(packets: Packets, streams: int) -> Feed:
    """Return an assembler and a fall detector for each stream."""
    messages = messages_of(packets)
    channel = Channel("bench", ACCELERATION)
    paths = [(Assembler(channel), FallDetector(channel, upright=Upright())) for _ in range(streams)]

    def feed(first: int, last: int) -> None:
        for block in messages[first:last]:
            for assembler, detector in paths:
                for part in assembler.add(block):
                    if isinstance(part, Gap):
                        detector.gap(part)
                    else:
                        detector.update(part)

    return feed


def begin_engine(packets: Packets, streams: int) -> Feed:
    """Return one engine for all streams, handed what came in one after the other."""
    channel = Channel("bench", ACCELERATION)
    engine = FallEngine()
    numbers = [engine.add(channel, Upright()) for _ in range(streams)]
    drains: list[list[tuple[int, Samples]]] = [
        [(number, block) for number in numbers] for block in messages_of(packets)
    ]

    def feed(first: int, last: int) -> None:
        put_all, poll = engine.put_all, engine.poll
        for drained in drains[first:last]:
            put_all(drained)
            poll()

    return feed


def bytes_per_stream() -> int:
    """Return what one stream holds: assembler, detector and grid."""
    channel = Channel("bench", ACCELERATION)
    FallDetector(channel)  # the shared model
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = [(Assembler(channel), FallDetector(channel, upright=Upright())) for _ in range(64)]
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) // len(held)


def engine_bytes_per_stream() -> int:
    """Return what one stream holds in the engine, with a slab that has seen samples."""
    channel = Channel("bench", ACCELERATION)
    messages = messages_of(packets_of(quiet(20, 1), 1000))
    FallEngine().add(channel)  # the shared model
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    engine = FallEngine()
    streams = [engine.add(channel, Upright()) for _ in range(64)]
    for message in messages:
        for stream in streams:
            engine.put(stream, message)
        engine.poll()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) // len(streams)
