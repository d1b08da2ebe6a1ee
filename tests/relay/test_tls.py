"""TLS: one CA, the host name, and dates that only an untrusted clock may get wrong."""

import asyncio
import ssl
import time
from datetime import UTC, datetime

import pytest

from edge_agent.clock import Instant, Quality, SystemClock
from edge_agent.config.home import HomeConfig
from edge_agent.config.reading import ConfigError
from edge_agent.config.routes import MqttConfig, TlsConfig
from edge_agent.outbox.outbox import Outbox
from edge_agent.relay.making import Maker
from edge_agent.relay.profiles.native import AgentState, NativeProfile
from edge_agent.relay.route import Hooks, Presence
from edge_agent.relay.tls import end_of, make_tls
from tests.relay.authority import Authority
from tests.relay.mini_broker import MiniBroker

# paho leaves the socket of a refused handshake to the garbage collector, which closes it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

DAY_S = 86_400.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


class Clock(SystemClock):
    """The system's clock with a quality and a floor of our choice."""

    def __init__(self, quality, floor_s):
        super().__init__()
        self.quality = quality
        self.past_s = floor_s

    def floor_s(self):
        return self.past_s

    def now(self):
        now = super().now()
        return Instant(now.monotonic_s, now.utc_s, self.quality)


async def outcome(
    tmp_path, authority, certificate, clock, host="localhost", ca=None, *, mine=None, asks=False
):
    """Whether a birth arrives at a broker with a certificate within a few attempts."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.ca)
    cert_file, key_file = map(str, mine) if mine else (None, None)
    mini = MiniBroker()
    server = await asyncio.start_server(mini.serve, "localhost", 0, ssl=context)
    outbox = Outbox(tmp_path / "o.db", ["mqtt"], clock.outside)
    await outbox.open()
    profile = NativeProfile("640302001001", "h1")
    birth = profile.agent_state(AgentState("online", "s", "0", "ntp", None))
    config = MqttConfig(
        host=host,
        port=server.sockets[0].getsockname()[1],
        tls=TlsConfig(ca_file=str(ca or authority.ca), cert_file=cert_file, key_file=key_file),
    )
    presence = Presence("s", lambda: [birth], lambda: birth)
    home = HomeConfig(region="640302001001", home="h1")
    relay, _ = Maker(home, outbox, clock, Hooks(None, None, None)).native(config, presence)
    task = asyncio.create_task(relay.run())
    try:
        for _ in range(100):
            await asyncio.sleep(0.02)
            if mini.published:
                return True
        return False
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        await outbox.close()


def arrives(*arguments, **options):
    return asyncio.run(outcome(*arguments, **options))


def test_a_good_certificate_is_taken_with_any_clock(tmp_path, authority):
    good = authority.issue("good")
    for quality in (Quality.NTP, Quality.NONE):
        assert arrives(tmp_path, authority, good, Clock(quality, 0.0))


def test_a_broker_that_asks_who_we_are_is_shown_our_certificate(tmp_path, authority):
    good, mine = authority.issue("asking"), authority.issue("gateway")
    clock = Clock(Quality.NTP, 0.0)

    assert arrives(tmp_path, authority, good, clock, mine=mine, asks=True)
    assert not arrives(tmp_path, authority, good, clock, asks=True)


def test_a_time_that_only_a_platform_told_does_not_silence_tls(tmp_path, authority):
    early = authority.issue("early-by-the-host", from_days=20.0)

    assert arrives(tmp_path, authority, early, Clock(Quality.PLATFORM, time.time() - DAY_S))


def test_a_clock_weeks_in_the_past_does_not_silence_tls(tmp_path, authority):
    early = authority.issue("early", from_days=20.0)  # by the true time it has begun long since

    assert arrives(tmp_path, authority, early, Clock(Quality.NONE, time.time() - DAY_S))


def test_with_a_trusted_clock_dates_are_always_checked(tmp_path, authority):
    early = authority.issue("too-early", from_days=20.0)
    late = authority.issue("too-late", from_days=-30.0, to_days=-20.0)

    for certificate in (early, late):
        assert not arrives(tmp_path, authority, certificate, Clock(Quality.NTP, 0.0))


def test_a_certificate_that_ended_before_what_is_past_for_sure_is_refused(tmp_path, authority):
    ended = authority.issue("ended", from_days=-30.0, to_days=-20.0)

    assert arrives(tmp_path, authority, ended, Clock(Quality.NONE, time.time() - 25 * DAY_S))
    assert not arrives(tmp_path, authority, ended, Clock(Quality.NONE, time.time() - 5 * DAY_S))


def test_an_untrusted_clock_excuses_neither_the_name_nor_the_authority(
    tmp_path, tmp_path_factory, authority
):
    clock = Clock(Quality.NONE, 0.0)
    named_otherwise = authority.issue("other", host="broker.example")
    early_and_other = authority.issue("other2", from_days=20.0, host="broker.example")
    stranger = Authority(tmp_path_factory.mktemp("stranger")).issue("stranger", from_days=20.0)

    for certificate in (named_otherwise, early_and_other, stranger):
        assert not arrives(tmp_path, authority, certificate, clock)


def test_the_end_of_our_own_certificate_is_read(authority):
    certificate, key = authority.issue("unit", to_days=12.0)
    tls = make_tls(
        TlsConfig(ca_file=str(authority.ca), cert_file=str(certificate), key_file=str(key))
    )

    assert tls.ends_s() == pytest.approx(datetime.now(UTC).timestamp() + 12 * DAY_S, abs=60)
    whole = certificate.read_text()
    certificate.write_text(
        f"-----END CERTIFICATE-----\nwhatever stands before it\n{whole}and after"
    )
    assert tls.ends_s() == pytest.approx(datetime.now(UTC).timestamp() + 12 * DAY_S, abs=60)
    der = ssl.PEM_cert_to_DER_cert(whole)
    with pytest.raises(ValueError, match="not a certificate"):
        end_of(b"")
    for end in range(0, len(der) - 1, 7):
        with pytest.raises(ValueError, match="not a certificate"):
            end_of(der[:end])


def test_files_that_cannot_be_used_are_one_line(tmp_path, authority):
    certificate, key = authority.issue("mine")
    empty = tmp_path / "empty.pem"
    empty.write_text("")

    def why(**files):
        with pytest.raises(ConfigError) as caught:
            make_tls(TlsConfig(**{"ca_file": str(authority.ca), **files}))
        return str(caught.value)

    assert why(ca_file="/nowhere") == "mqtt.tls.ca_file: no file '/nowhere'"
    assert why(ca_file=str(empty)).startswith("mqtt.tls: not usable (")
    assert why(cert_file=str(certificate), key_file="/nowhere") == (
        "mqtt.tls.key_file: cannot be read (No such file or directory)"
    )
    key.chmod(0o644)
    assert why(cert_file=str(certificate), key_file=str(key)) == (
        "mqtt.tls.key_file: others may read it: chmod 600"
    )
