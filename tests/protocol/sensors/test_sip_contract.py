"""Every report and command of SIP-S, written down a second time and read from bytes."""

import pytest

from protocol.sensors import sip
from protocol.sensors.reading import DOUBTFUL, GOOD, UNKNOWN, Reading
from protocol.sensors.sip_reports import COMMANDS, REPORTS, ROWS
from tests.protocol.sensors.contract import Note, edges, noted, size_of

pytestmark = pytest.mark.fast

PAGE = """
0101 keepalive            B
0102 reset                B
0208 work_mode            : - fall sleep
02a1 model                text
02a2 product_id           text
02a3 hardware             text
02a4 firmware             text
0501 initialised          B
0601 install_angle        3h deg -180..180
0602 install_height       H m/100 0.5..5
0707 in_range             ?
8000 presence_reporting   ?
8001 presence             ?
8002 motion               : none still active
8003 body_movement        B 0..100
8004 distance             H m/100 0..10
8005 position             3m m/100 -10..10
800d seated_distance      H m/100 0..10
800e motion_distance      H m/100 0..10
8012 unattended_time      I s
8100 breath_reporting     ?
8101 breath_state         : - normal high low none
8102 breath_rate          B 1/min 0..35 0=doubtful
8105 breath_wave          5B count
810b low_breath_threshold B 1/min 10..20
8200 trajectory_reporting ?
8300 fall_detection       ?
8301 fall                 ?
8305 static_residency     ?
830a residency_time       I s
830b residency_watch      ?
830c fall_time            I s
830d fall_sensitivity     B 0..3
830e track                2m m/100 -10..10
830f height_time          I s
8310 measured_height      H m/100 0.5..5
8311 fall_height          H m/100 0..5
8313 trajectory_interval  I
8314 trajectory_upload    ?
8315 height_ratio         ?
8400 sleep_reporting      ?
8401 bed                  : out in none
8402 sleep                : deep light awake none
8403 awake                H min
8404 light_sleep          H min
8405 deep_sleep           H min
8406 sleep_score          B 0..100
840c presence             ?
   + sleep                : deep light awake none
   + mean_breath_rate     B 1/min 0..35 0=doubtful
   + mean_heart_rate      B 1/min 60..120 0=none
   + turns                B
   + large_movement       B % 0..100
   + small_movement       B % 0..100
   + apnoeas              B
840d sleep_score          B 0..100
   + sleep_time           H min
   + awake_share          B % 0..100
   + light_share          B % 0..100
   + deep_share           B % 0..100
   + out_of_bed           B min
   + bed_exits            B
   + turns                B
   + mean_breath_rate     B 1/min 0..35 0=doubtful
   + mean_heart_rate      B 1/min 60..120 0=none
   + apnoeas              B
840e sleep_abnormal       : under_4_h over_12_h long_absence none
840f report_mode          : real_time sleep
8410 sleep_rating         : none good fair poor
8411 struggle             : none normal abnormal
8412 unattended           : none normal abnormal
8413 struggle_watch       ?
8414 unattended_watch     ?
8415 unattended_limit     B min 5..120
8416 sleep_cut_off        B min 30..180
841a struggle_sensitivity : low medium high
8500 heart_reporting      ?
8502 heart_rate           B 1/min 60..120 0=none
8505 heart_wave           5B count
"""
UNSURE = (0x0601, 0x830E, 0x8313)
"""Their signs, units or axes were never verified: nothing of them is called good."""

ROW = """
8202 target               B
   + target_size          B
   + target_feature       B
   + target_position      3m m/100 -10..10
   + target_speed         m m/s/100 -10..10
"""

SETTINGS = """
reset                    0102 15=0f        15=0f
work_mode                0208 1=01         2=02
install_height_m         0602 0.5=0032     5.0=01f4
presence_reporting       8000 1=01         1=01
seated_distance_m        800d 0.3=001e     5.0=01f4
motion_distance_m        800e 0.3=001e     5.0=01f4
unattended_time_s        8012 0=00000000   3600=00000e10
breath_reporting         8100 0=00         1=01
low_breath_threshold_bpm 810b 10=0a        20=14
heart_reporting          8500 0=00         1=01
sleep_reporting          8400 0=00         1=01
report_mode              840f 0=00         1=01
struggle_watch           8413 0=00         1=01
unattended_watch         8414 0=00         1=01
unattended_limit_min     8415 5=05         120=78
sleep_cut_off_min        8416 30=1e        180=b4
struggle_sensitivity     841a 0=00         2=02
fall_detection           8300 1=01         1=01
residency_time_s         830a 1=00000001   3600=00000e10
residency_watch          830b 0=00         1=01
fall_time_s              830c 1=00000001   60=0000003c
fall_sensitivity         830d 0=00         3=03
fall_height_m            8311 0.0=0000     1.5=0096
"""
REPORTED = noted(PAGE)


def decode(kind: int, data: bytes) -> list[Reading]:
    (frame,) = sip.SipParser().feed(sip.encode(kind >> 8, kind & 0xFF, data))
    return sip.decode(frame)


def doubted(reading: Reading) -> Reading:
    quality = DOUBTFUL if reading.quality == GOOD else reading.quality
    return Reading(reading.name, reading.value, reading.unit, quality, reading.index)


@pytest.mark.parametrize(
    ("kind", "fields"), REPORTED, ids=lambda one: f"{one:04x}" if isinstance(one, int) else ""
)
def test_a_report_field_by_field(kind: int, fields: list[Note]) -> None:
    for place, field in enumerate(fields):
        before = bytes(size_of(fields[:place]))
        after = bytes(size_of(fields[place + 1 :]))
        for data, reading in edges(">", field):
            found = decode(kind, before + data + after)
            assert [one.name for one in found] == [one.name for one in fields]
            expected = doubted(reading) if kind in UNSURE else reading
            assert repr(found[place]) == repr(expected), "7 is not 7.0"


@pytest.mark.parametrize(
    ("kind", "fields"), REPORTED, ids=lambda one: f"{one:04x}" if isinstance(one, int) else ""
)
def test_a_report_of_another_length_is_unknown(kind: int, fields: list[Note]) -> None:
    if fields[0].code != "text":
        for size in (size_of(fields) - 1, size_of(fields) + 1):
            assert decode(kind, bytes(size)) == [Reading("unknown", "00" * size, "", UNKNOWN)]


def test_a_row_field_by_field() -> None:
    ((kind, fields),) = noted(ROW)
    whole = bytes(size_of(fields))
    for place, field in enumerate(fields):
        at = size_of(fields[:place])
        for data, reading in edges(">", field):
            found = decode(kind, whole + whole[:at] + data + whole[at + field.size :])
            reading.index = 1
            assert found[len(fields) + place] == doubted(reading)
    assert decode(kind, whole[1:]) == [Reading("unknown", whole[1:].hex(), "", UNKNOWN)]


def test_there_is_no_other_report() -> None:
    assert set(REPORTS) == {kind for kind, _ in REPORTED}
    assert set(ROWS) == {kind for kind, _ in noted(ROW)}


@pytest.mark.parametrize("line", SETTINGS.strip().splitlines(), ids=lambda line: line.split()[0])
def test_a_setting_from_its_least_to_its_most(line: str) -> None:
    name, kind, *ends = line.split()
    (low, least), (high, most) = (end.split("=") for end in ends)
    for value, data in ((low, least), (high, most)):
        (frame,) = sip.SipParser().feed(sip.encode_command(name, float(value)))
        assert (f"{frame.kind:04x}", frame.payload.hex()) == (kind, data)
    for beyond in (float(low) - 0.01, float(high) + 0.01):
        with pytest.raises(ValueError, match=f"^{name} of "):
            sip.encode_command(name, beyond)


def test_there_is_no_other_setting() -> None:
    assert [line.split()[0] for line in SETTINGS.strip().splitlines()] == list(COMMANDS)


def test_the_products_and_their_line() -> None:
    assert sip.BAUD == 115200
    assert sip.PRODUCTS == ("r60abd1", "r60afd1", "mr60bha1", "mr60fda1", "c1001")


def test_a_frame_shows_what_it_is() -> None:
    (frame,) = sip.SipParser().feed(b"\x00" + sip.encode(0x83, 0x01, b"\x01"))
    assert repr(frame) == "Frame(0x8301, 1 B at 1)"
