"""The engine says what assembler and detector say, to the last bit, whatever comes in."""

import sys
from pathlib import Path

import numpy as np
import pytest

from edge_agent.detect.falls.engine import FallEngine
from edge_agent.detect.falls.fall import FallDetector
from edge_agent.detect.falls.grid import STANDARD_GRAVITY
from edge_agent.detect.falls.model import FallModel, Forest, shipped_model
from edge_agent.detect.falls.upright import Upright
from edge_agent.stream.assemble import Assembler
from edge_agent.stream.chunk import Channel, Gap
from protocol.messages import Samples
from protocol.quantities import ACCELERATION, LOAD
from tests.detect import synthetic

pytestmark = pytest.mark.fast

SCALE = float(np.float32(16 * STANDARD_GRAVITY / 32768))
CHANNEL = Channel("pendant", ACCELERATION)
RATES_HZ = (20, 25, 50, 52, 87, 100, 104, 119, 200, 208, 400, 1000)
DATA = Path(__file__).parents[3] / "shared" / "data"


class Plain:
    """Today's path, with what the engine's silence and gap calls do."""

    def __init__(self, model=None):
        self.assembler = Assembler(CHANNEL)
        self.detector = FallDetector(CHANNEL, model, upright=Upright())

    def put(self, block):
        found = []
        for part in self.assembler.add(block):
            found += self.gap(part) if isinstance(part, Gap) else self.detector.update(part)
        return found

    def gap(self, gap):
        return self.detector.gap(gap)

    def check_silence(self, uptime_s):
        gap = self.assembler.check_silence(uptime_s)
        return [] if gap is None else self.gap(gap)


class Script:
    """One stream's life: blocks, gaps and silences, made at random.

    Attributes:
        steps: Samples, Gap or the uptime of a look for silence.
    """

    def __init__(self, seed, seconds=40.0, rate_hz=None, rough=True):
        random = self.random = np.random.default_rng(seed)
        self.steps = []
        self.at_s = random.choice([0.0, 5.0, 1000.5, 9e4])
        self.index = int(random.choice([0, 7, 2**32 - 500]))
        self.scale = SCALE
        self.rough = rough
        while seconds > 0.0:
            self.period_us = round(1e6 / (rate_hz or random.choice(RATES_HZ)))
            counts = self.signal()
            self.play(counts)
            seconds -= len(counts) * self.period_us / 1e6
            if rough and random.random() < 0.5:
                self.trouble()

    def signal(self):
        random, rate_hz = self.random, 1e6 / self.period_us
        kind = random.integers(0, 5)
        if kind == 0:
            values = synthetic.standing(rate_hz, random.uniform(1.0, 12.0))
        elif kind == 1:
            values = synthetic.walking(rate_hz, random.uniform(2.0, 8.0))
        elif kind == 2:
            values = random.normal(0.0, 8.0, (int(4 * rate_hz), 3))
        else:
            values = synthetic.fall(
                rate_hz,
                before_s=random.uniform(0.2, 5.0),
                after_s=random.uniform(0.2, 5.0),
                peak_g=random.uniform(1.5, 6.0),
                seed=int(random.integers(1 << 30)),
            )
        return np.clip(np.rint(values / self.scale), -32768, 32767).astype("<i2")

    def play(self, counts):
        random = self.random
        sizes = random.choice([1, 10, 25, 100, 0, 0, 3000])
        loss = random.choice([0.0, 0.0, 0.05, 0.3]) if self.rough else 0.0
        drift = random.choice([0.0, 0.0, 0.0, 0.01]) if self.rough else 0.0
        at, start_s = 0, self.at_s
        while at < len(counts):
            size = int(sizes or random.integers(1, 80))
            piece = counts[at : at + size]
            stamp_s = start_s + at * self.period_us / 1e6 * (1 + drift)
            block = Samples(
                ACCELERATION.code, 0, int(stamp_s * 1000), self.index & 0xFFFFFFFF,
                self.period_us, self.scale, 3, piece.tobytes(),
            )  # fmt: skip
            self.index += len(piece)
            at += len(piece)
            if random.random() >= loss:
                self.steps.append(block)
                if self.rough and random.random() < 0.01:
                    self.steps.append(block)
        self.at_s = start_s + len(counts) * self.period_us / 1e6 * (1 + drift)

    def trouble(self):
        random = self.random
        what = random.integers(0, 7)
        if what == 0:
            self.at_s += random.uniform(0.0, 3.0)
            self.steps.append(self.at_s)
        elif what == 1:
            self.steps.append(Gap(CHANNEL, self.at_s, self.at_s + random.uniform(0.0, 5.0)))
        elif what == 2:
            lost = int(random.integers(1, 200))
            self.index += lost
            self.at_s += lost * self.period_us / 1e6
        elif what == 3:
            self.index, self.at_s = 0, random.uniform(0.0, 5.0) + self.at_s * random.choice([0, 1])
        elif what == 4:
            self.scale = float(np.float32(SCALE * random.choice([1.0, 0.5, 2.0, 6.0])))
        elif what == 5:
            self.at_s += random.uniform(-0.4, 0.4)
        else:
            self.steps.append(Samples(ACCELERATION.code, 0, 0, 0, 10_000, 1.0, 1, bytes(20)))


def play(scripts, turns=None, model=None):
    """Return what both paths say, stream by stream, and the steps after which they said it."""
    engine = FallEngine(model)
    numbers = [engine.add(CHANNEL, Upright()) for _ in scripts]
    plain = [Plain(model) for _ in scripts]
    ours, theirs = [[] for _ in scripts], [[] for _ in scripts]
    for turn in range(max(len(script.steps) for script in scripts)):
        for number, script, path in zip(numbers, scripts, plain):
            if turn >= len(script.steps):
                continue
            step = script.steps[turn]
            said = []
            if isinstance(step, Samples):
                theirs[number] += [(turn, one) for one in path.put(step)]
                engine.put(number, step)
            elif isinstance(step, Gap):
                theirs[number] += [(turn, one) for one in path.gap(step)]
                said = engine.gap(number, step)
            else:
                theirs[number] += [(turn, one) for one in path.check_silence(step)]
                said = engine.check_silence(number, step)
            for stream, one in said:
                ours[stream].append((turn, one))
        if turns is None or turns.random() < 0.3:
            for stream, one in engine.poll():
                ours[stream].append((turn, one))
    for stream, one in engine.poll():
        ours[stream].append((-1, one))
    for number, path in zip(numbers, plain):
        assert engine.lost(number) == path.assembler.lost
        assert engine.stale(number) == path.assembler.stale
        assert engine.end_s(number) == path.assembler.end_s
    return ours, theirs


def without_turns(said):
    return [[one for _, one in stream] for stream in said]


@pytest.mark.parametrize("seed", range(40))
def test_one_stream_says_the_same_after_the_same_block(seed):
    ours, theirs = play([Script(seed)])
    assert ours == theirs


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_every_rate_says_the_same_and_finds_falls(rate_hz):
    ours, theirs = play([Script(seed, 60.0, rate_hz, rough=False) for seed in (101, 102, 103)])
    assert ours == theirs
    assert any(theirs)


@pytest.mark.parametrize("seed", range(6))
def test_many_streams_in_one_pass_say_the_same(seed):
    ours, theirs = play([Script(1000 * seed + i, 20.0, 100) for i in range(40)])
    assert ours == theirs
    assert sum(map(len, theirs)) > 20


@pytest.mark.parametrize("seed", range(10))
def test_polling_seldom_says_the_same_later(seed):
    ours, theirs = play(
        [Script(500 + 10 * seed + i) for i in range(6)], np.random.default_rng(seed)
    )
    assert without_turns(ours) == without_turns(theirs)


@pytest.mark.parametrize("count", [0.0, 3e38, float("nan"), float("inf"), -SCALE])
def test_any_scale_says_the_same(count):
    script = Script(11, 20.0, 100)
    for step in script.steps[len(script.steps) // 3 :]:
        if isinstance(step, Samples):
            step.scale = count
    with np.errstate(all="ignore"):
        ours, theirs = play([script])
    assert ours == theirs


@pytest.mark.parametrize("size", [1, 25, 100, 250, 3000])
def test_never_polling_loses_nothing(size):
    engine, plain, theirs = FallEngine(), Plain(), []
    stream = engine.add(CHANNEL, Upright())
    calm, fall = synthetic.walking(100.0, 50.0), synthetic.fall(after_s=20.0)
    values = np.concatenate([calm, fall, calm, fall])
    counts = np.rint(values / SCALE).astype("<i2")
    for at in range(0, len(counts), size):
        piece = counts[at : at + size].tobytes()
        block = Samples(ACCELERATION.code, 0, 10 * at, at, 10_000, SCALE, 3, piece)
        engine.put(stream, block)
        theirs += plain.put(block)
    assert engine.poll() == [(stream, one) for one in theirs]
    assert [one.kind for one in theirs] == ["fall", "fall_recovered", "fall"]


@pytest.mark.parametrize("at_s", [9.99e7, 2e8, 2**48 / 1000 - 200.0])
def test_a_long_uptime_says_the_same(at_s):
    script = Script(1, 0.0)
    script.at_s, script.rough, script.period_us = at_s, False, 10_000
    for _ in range(3):
        script.play(np.rint(synthetic.fall() / SCALE).astype("<i2"))
        script.play(np.rint(synthetic.standing(100.0, 20.0) / SCALE).astype("<i2"))
    ours, theirs = play([script])
    assert ours == theirs
    assert theirs[0]


def test_a_stream_holds_no_message_once_it_was_put():
    engine = FallEngine()
    stream = engine.add(CHANNEL)
    for i in range(4):
        block = Samples(ACCELERATION.code, 0, 1000 * i, 100 * i, 10_000, SCALE, 3, bytes(600))
        before = sys.getrefcount(block), sys.getrefcount(block.data)
        engine.put(stream, block)
        assert (sys.getrefcount(block), sys.getrefcount(block.data)) == before


def test_a_quiet_hour_keeps_its_clock():
    script = Script(1, 0.0)
    script.period_us, script.steps = 10_000, []
    for _ in range(120):
        counts = np.rint(synthetic.standing(100.0, 30.0) / SCALE).astype("<i2")
        script.rough = False
        script.play(counts)
    script.play(np.rint(synthetic.fall() / SCALE).astype("<i2"))
    ours, theirs = play([script])
    assert ours == theirs
    assert len(theirs[0]) == 1


def blocks_of(values, first=0, size=100, begin_s=0.0, scale=SCALE):
    counts = np.rint(values / scale).astype("<i2")
    return [
        Samples(
            ACCELERATION.code, 0, round(1000 * begin_s) + 10 * at, first + at, 10_000, scale, 3,
            counts[at : at + size].tobytes(),
        )
        for at in range(0, len(counts), size)
    ]  # fmt: skip


@pytest.mark.parametrize("begin_s", [0.0, 3.0, 7.0, 30.0])
@pytest.mark.parametrize("first", [0, 900])
def test_the_next_boot_is_heard_from_its_first_block(begin_s, first):
    engine, fresh = FallEngine(), Plain()
    stream = engine.add(CHANNEL, Upright())
    for block in blocks_of(synthetic.fall(before_s=4.0, after_s=8.0)):
        engine.put(stream, block)
    assert [one.kind for _, one in engine.end_boot(stream)] == ["fall"]
    assert engine.end_s(stream) is None
    theirs = []
    for block in blocks_of(synthetic.fall(before_s=2.0, seed=5), first, begin_s=begin_s):
        engine.put(stream, block)
        theirs += fresh.put(block)
    assert engine.poll() == [(stream, one) for one in theirs]
    assert [one.kind for one in theirs] == ["fall"]


def test_what_a_boot_left_open_is_decided_once_and_its_losses_still_count():
    engine = FallEngine()
    other, stream = engine.add(CHANNEL), engine.add(CHANNEL)
    blocks = blocks_of(synthetic.fall(before_s=4.0, after_s=0.5), size=25)
    for i, block in enumerate(blocks):
        engine.put(other, block)
        if i != 3:
            engine.put(stream, block)
    found = engine.end_boot(stream)
    assert [(number, one.kind) for number, one in found] == [(stream, "fall")]
    assert engine.lost(stream) == 25
    assert engine.poll() == engine.end_boot(stream) == []
    end_s = engine.end_s(other)
    assert [number for number, _ in engine.gap(other, Gap(CHANNEL, end_s, end_s))] == [other]


def test_the_end_of_a_boot_that_said_nothing_is_nothing():
    engine = FallEngine()
    assert engine.end_boot(engine.add(CHANNEL)) == []


def test_a_channel_of_one_axis_is_refused():
    with pytest.raises(ValueError, match=r"^a fall detector takes three axes, not 1$"):
        FallEngine().add(Channel("bed", LOAD))


def test_a_block_of_an_impossible_rate_is_the_same_error():
    block = Samples(ACCELERATION.code, 0, 0, 0, 10, SCALE, 3, bytes(600))
    engine = FallEngine()
    with pytest.raises(ValueError, match="takes 1 to 4000 Hz"):
        engine.put(engine.add(CHANNEL), block)


@pytest.mark.parametrize("step_g", [0.002, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_equal_and_clipped_peaks_say_the_same(seed, step_g):
    random = np.random.default_rng(seed)
    script = Script(seed, 0.0)
    script.rough, script.period_us, script.scale = False, 10_000, step_g * STANDARD_GRAVITY
    for _ in range(6):
        walk = synthetic.walking(100.0, random.uniform(3.0, 20.0), seed)
        fall = synthetic.fall(100.0, peak_g=random.uniform(1.5, 8.0), clip_g=2.0 + seed)
        for values in (walk, 2.0 * walk, fall):
            script.play(np.rint(values / script.scale).astype("<i2"))
    ours, theirs = play([script])
    assert ours == theirs
    assert any(theirs)


def test_another_model_says_the_same():
    shipped = shipped_model().complete
    bold = Forest(shipped.bias + 8.0, shipped.feature, shipped.threshold, shipped.leaf)
    model = FallModel(bold, bold, bold, bold)
    scripts = [Script(70 + i, 30.0, rate_hz) for i, rate_hz in enumerate((50, 100, 100, 104))]
    ours, theirs = play(scripts, model=model)
    assert ours == theirs
    assert sum(map(len, theirs)) > sum(map(len, play(scripts)[1]))


def test_a_drain_of_many_streams_is_as_good_as_one_by_one():
    scripts = [Script(40 + i, 20.0, 100) for i in range(8)]
    drained = [
        (number, step)
        for turn in range(max(len(script.steps) for script in scripts))
        for number, script in enumerate(scripts)
        for step in script.steps[turn : turn + 1]
        if isinstance(step, Samples)
    ]
    together, single = FallEngine(), FallEngine()
    for engine in (together, single):
        for _ in scripts:
            engine.add(CHANNEL, Upright())
    ours, theirs = [], []
    for at in range(0, len(drained), 50):
        together.put_all(drained[at : at + 50])
        ours += together.poll()
        for number, step in drained[at : at + 50]:
            single.put(number, step)
        theirs += single.poll()
    assert ours == theirs
    assert theirs


def test_a_fall_in_coarse_counts_is_not_quiet_beside_streams_of_fine_ones():
    """Its largest count is below what a finer sensor reads at rest."""
    scripts = [Script(number, 0.0) for number in range(8)]
    for script in scripts:
        script.steps = blocks_of(synthetic.standing(100.0, 12.0), scale=SCALE / 8.0)
    scripts[5].steps = blocks_of(synthetic.fall(before_s=6.0)[:1200], scale=2.0 * SCALE)
    ours, theirs = play(scripts)
    assert ours == theirs
    assert [len(said) for said in theirs] == [0, 0, 0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("rate_hz", [100, 200])
def test_a_sensor_that_was_dead_before_the_impact_says_the_same(rate_hz):
    script = Script(3, 0.0)
    script.rough, script.period_us = False, 1_000_000 // rate_hz
    for _ in range(3):
        script.play(np.zeros((5 * rate_hz, 3), dtype="<i2"))
        script.play(np.rint(synthetic.fall(rate_hz, before_s=0.2) / SCALE).astype("<i2"))
    ours, theirs = play([script])
    assert ours == theirs


@pytest.mark.parametrize("strength", [1.0, 1.6])
def test_a_walk_that_is_never_a_fall_teaches_the_same_upright_posture(strength):
    """Screened impacts leave the same posture behind as measured ones."""
    engine, plain, uprights = FallEngine(), Plain(), (Upright(), Upright())
    stream = engine.add(CHANNEL, uprights[0])
    plain.detector = FallDetector(CHANNEL, upright=uprights[1])
    directions = []
    walk = synthetic.walking(100.0, 90.0)
    steady = walk.mean(axis=0)
    for block in blocks_of(steady + (walk - steady) * strength, size=25):
        engine.put(stream, block)
        assert [one for _, one in engine.poll()] == plain.put(block)
        assert uprights[0].direction == uprights[1].direction
        assert uprights[0].is_due(block.uptime_ms / 1000) == uprights[1].is_due(
            block.uptime_ms / 1000
        )
        directions.append(uprights[0].direction)
    assert len(set(directions)) > 2


def test_what_poll_returned_belongs_to_the_caller():
    engine = FallEngine()
    engine.poll().append("mine")
    assert engine.poll() == []


@pytest.mark.parametrize(
    ("name", "every"),
    [
        ("sisfall_acc_200hz_dev", 1),
        ("sisfall_acc_200hz_dev", 2),
        ("mobifall_pocket_87hz", 1),
        ("umafall_waist_20hz", 1),
    ],
)
def test_recorded_trials_say_the_same(name, every):
    path = DATA / f"{name}.npz"
    if not path.exists():
        pytest.skip("recordings are not part of the repository")
    with np.load(path) as table:
        counts, start = table["x"], table["start"]
        rate_hz = float(table["fs"]) / every
        scale = float(np.float32(float(table["scale_g"]) * STANDARD_GRAVITY))
    chosen = np.random.default_rng(4).permutation(len(start) - 1)[:60]
    scripts = []
    for i in chosen:
        script = Script(int(i), 0.0)
        script.steps, script.scale, script.rough = [], scale, False
        script.period_us = round(1e6 / rate_hz)
        script.play(counts[start[i] : start[i + 1] : every].astype("<i2"))
        script.steps.append(script.at_s + 1.5)
        scripts.append(script)
    ours, theirs = play(scripts)
    assert ours == theirs
    assert any(theirs)
