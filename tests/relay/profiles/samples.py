"""Alarm events, settings and stamps that the profile tests share."""

import msgspec
from msgspec.structs import replace

from edge_agent.alarm.alarm import SCHEMA, AgentStamp, AlarmEvent, State, Trigger
from edge_agent.relay.profile import Stamp
from edge_agent.relay.profiles.native import NativeProfile
from edge_agent.relay.profiles.table import make_http_profile, make_mqtt_profile

ALARM_ID = "01936b4e-7c1a-7d3e-9a52-5f0c1c2b7a10"
ONSET, AT = "2026-11-23T02:14:07.310Z", "2026-11-23T02:14:18.020Z"
AT_MS = 1_795_400_058_020
STAMP = Stamp(utc_s=1_795_400_059.5, number=1_795_400_059_500)

CONFIRMED = AlarmEvent(
    SCHEMA, ALARM_ID, 2, "fall", State.CONFIRMED, "high", "640302001001", "h0001", "bathroom",
    "p1", "pendant-1", "pendant", ONSET, AT, "ntp", 0.0, 1.0, {"peak_g": 4.8},
    None, [], {"zh": "卫生间跌倒", "en": "Fall in the bathroom"}, AgentStamp("s", "0.1.0"),
    Trigger.CONFIRM,
)  # fmt: skip

VITALS = msgspec.json.encode(
    {
        "bed": "b1", "place": "bedroom", "unit": "bed-1", "at": AT, "occupied": True,
        "heart_rate": {"mean": 64.0, "low": 61.0, "high": 67.0, "quality": 0.8, "share": 1.0},
        "respiration": {"mean": None, "low": None, "high": None, "quality": 0.0, "share": 0.0},
    }
)  # fmt: skip

NIGHT = msgspec.json.encode(
    {
        "bed": "b1", "place": "bedroom", "unit": "bed-1", "begin": ONSET, "end": AT,
        "in_bed_s": 28_800, "exits": 2, "longest_absence_s": 300.0, "restless": 1,
        "heart_rate": {"mean": 58.04, "low": 50.0, "high": 70.0, "quality": 0.876, "share": 1.0},
        "respiration": {"mean": 14.26, "low": 9.0, "high": 20.0, "quality": 0.5, "share": 0.9},
    }
)  # fmt: skip

TREES = {
    "thingsboard": {},
    "gateway": {"gateway": True, "device": "h0001"},
    "aliyun": {"product_key": "a1X2bEnP82z", "device_name": "example1"},
    "jetlinks": {"product_id": "bed", "device_id": "h0001", "secure_id": "admin"},
    "huawei": {"device_id": "5fdb75cccbfe2f02ce81d4bf_mybed001"},
    "onenet": {"product_id": "123123", "device_name": "78329710"},
}
SECRETS = {
    "thingsboard": {"access_token": "A1_TEST_TOKEN"},
    "gateway": {"access_token": "A1_TEST_TOKEN"},
    "aliyun": {"device_secret": "ga7XA6KdlEeiPXQPpRbAjOZXwG8ydgSe"},
    "jetlinks": {"secure_key": "admin"},
    "huawei": {"secret": "123456789"},
    "onenet": {"device_key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
}
FOREIGN = tuple(TREES)


def body(**changes):
    """A stored event."""
    return msgspec.json.encode(replace(CONFIRMED, **changes))


def make(name, folder, **more):
    """A profile as a route's table makes it, its secret out of a file."""
    if name == "native":
        return NativeProfile("640302001001", "h0001")
    tree = TREES[name] | more
    for key, secret in SECRETS[name].items():
        path = folder / key
        path.write_text(secret + "\n")
        path.chmod(0o600)
        tree[f"{key}_file"] = str(path)
    return make_mqtt_profile("thingsboard" if name == "gateway" else name, tree, "county")


def make_county(**tree):
    """A county profile without files."""
    defaults = {
        "url": "https://county.example/api.BedCall/ReceiveBedCallMsg",
        "success": "Success == true",
        "fields": {"DeviceNum": "{unit}", "Alarm": "{text}"},
    }
    return make_http_profile("county", defaults | tree, "county")
