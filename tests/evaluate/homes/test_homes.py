"""Reading recorded homes."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.evaluate.homes.homes import Event, Label, read_home
from edge_agent.evaluate.npz import TrialError
from edge_agent.home.sign import Kind

pytestmark = pytest.mark.fast

T0 = 1_322_447_279.0  # 2011-11-28 02:27:59, as if it were UTC

ORDONEZ = (
    "Start time          \tEnd time            \tLocation\tType\t\tPlace\r\n"
    "--------------------\t--------------------\t--------\t--------\t-----\r\n"
    "2011-11-28 10:21:24\t2011-11-28 10:21:31\t\tCabinet\t\tMagnetic\tBathroom\r\n"
    "2011-11-28 02:27:59\t2011-11-28 10:18:11\t\tBed\t\tPressure\tBedroom\r\n"
    "2011-11-28 13:09:31\t2011-11-28 13:09:35\t\tMaindoor\tMagnetic\tEntrance\r\n"
    "2011-11-28 14:09:31\t2011-11-28 14:09:35\tDoor\tPIR\tKitchen"
)
SLEEP = "2011-11-28 02:27:59\t\t2011-11-28 10:18:11\t\tSleeping\t\t\n"
KASTEREN = "25-Feb-2008 00:20:14\t25-Feb-2008 00:22:57\t24\t\n25-Feb-2008 09:33:41\t25-Feb-2008 09:33:42\t12\n"


def write(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_named_sensors_are_read_by_type_and_place(tmp_path: Path):
    write(tmp_path, "X_ADLs.txt", "Start time \tEnd time\tActivity\n---- ----\n" + SLEEP)
    record = read_home(write(tmp_path, "X_Sensors.txt", ORDONEZ))

    assert record.events[0] == Event(T0, T0 + 28_212, "bed bedroom", Kind.REST, "bedroom")
    assert [event.kind for event in record.events] == [
        Kind.REST,
        Kind.CONTACT,
        Kind.FRONT_DOOR,
        Kind.MOTION,
    ]
    assert record.labels == (Label(T0, T0 + 28_212, "Sleeping"),)


def test_coded_sensors_are_read_by_the_table_that_knows_their_codes(tmp_path: Path):
    write(tmp_path, "any-as.txt", KASTEREN.replace("\t24", "\t10").replace("\t12", "\t1"))
    record = read_home(write(tmp_path, "any-ss.txt", KASTEREN))

    assert [(event.kind, event.place) for event in record.events] == [
        (Kind.ROOM_DOOR, "bedroom"),
        (Kind.FRONT_DOOR, "entrance"),
    ]
    assert [label.activity for label in record.labels] == ["Sleeping", "Leaving"]


def test_an_unknown_code_is_a_contact_somewhere(tmp_path: Path):
    record = read_home(write(tmp_path, "a.txt", KASTEREN.replace("\t24", "\t777")))

    assert record.events[0].kind is Kind.CONTACT
    assert record.events[0].source == "unknown 777"
    assert record.labels == ()


def test_an_event_that_ends_before_it_begins_is_counted_and_only_its_begin_used(tmp_path: Path):
    text = KASTEREN.replace("25-Feb-2008 00:22:57", "24-Feb-2008 00:22:57")
    record = read_home(write(tmp_path, "a.txt", text))

    assert record.reversed_rows == 1
    assert record.events[0].end_s == record.events[0].begin_s


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.txt: no sensor events"),
        (KASTEREN + "hello\n", "a.txt, line 3: not begin and end, each as date and time"),
        (
            KASTEREN + "31-Feb-2008 00:00:00\t31-Feb-2008 00:00:01\t1\n",
            "a.txt, line 3: no such date or time: '31-Feb-2008 00:00:00'",
        ),
        (
            KASTEREN + "25-Foo-2008 00:00:00\t25-Feb-2008 00:00:01\t1\n",
            "a.txt, line 3: no such date or time: '25-Foo-2008 00:00:00'",
        ),
        (
            KASTEREN + "25-Feb-2008 00:00:00\t25-Feb-2008 00:00:01\n",
            "a.txt, line 3: 0 words after the times, 1 are needed",
        ),
        (
            "2011-11-28 10:21:24\t2011-11-28 25:21:31\tCabinet\tMagnetic\tBathroom\n",
            "a.txt, line 1: no such date or time: '2011-11-28 25:21:31'",
        ),
        (
            "2011-11-28 10:21:24\t2011-11-28 10:21:31\tCabinet\n",
            "a.txt, line 1: 1 words after the times, 3 are needed",
        ),
        (
            KASTEREN + "2011-11-28 10:21:24\t2011-11-28 10:21:31\tA\tB\tC\n",
            "a.txt: lines of two different forms",
        ),
        (
            KASTEREN + "25-Feb-2028 00:00:00\t25-Feb-2028 00:00:01\t1\n",
            "a.txt: 7305 days long, at most 366 are read",
        ),
    ],
)
def test_a_file_that_is_wrong_is_one_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(TrialError) as caught:
        read_home(write(tmp_path, "a.txt", text))
    assert str(caught.value) == message


def test_bytes_that_are_no_text_are_named_by_line(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes(KASTEREN.encode() + b"25-Feb\xff\n")
    with pytest.raises(TrialError) as caught:
        read_home(path)
    assert str(caught.value) == "a.txt, line 3: not UTF-8 text"


def test_a_file_that_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(TrialError, match=r"cannot be read \(No such file or directory\)"):
        read_home(tmp_path / "none.txt")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.text(max_size=60),
            st.from_regex(
                r"[0-9]{1,2}-[A-Z][a-z]{2}-[0-9]{4} [0-9:]{8}\t[^\n]{0,40}", fullmatch=True
            ),
            st.sampled_from([*KASTEREN.splitlines(), *ORDONEZ.splitlines()]),
        ),
        max_size=8,
    )
)
def test_any_text_is_a_home_or_one_clear_line(tmp_path: Path, lines: list[str]):
    try:
        record = read_home(write(tmp_path, "a.txt", "\n".join(lines)))
    except TrialError as error:
        assert str(error).startswith("a.txt")
        assert "\n" not in str(error)
    else:
        assert all(event.begin_s <= event.end_s for event in record.events)
