"""JSON Schema and AsyncAPI of the native contract, generated from the types that are published.

`anzhen schema DIR` writes them; the copies in `docs/schema/` are checked against this in the tests.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from edge_agent import __version__
from edge_agent.alarm.alarm import AlarmEvent
from edge_agent.alarm.command import CommandName, Response
from edge_agent.relay.profiles.native import (
    AgentState,
    CommandBody,
    Occupancy,
    SleepBody,
    UnitState,
    VitalsBody,
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PREFIX = "anzhen/v1/{region}/{home}/"


@dataclass(frozen=True, slots=True)
class Topic:
    """One row of the contract: what travels on a topic below the home's prefix.

    Attributes:
        name: of the schema and of the message.
        address: below the prefix; braces are parameters.
        type: of the payload.
        qos, retain: as published.
        is_ours: the agent sends it; else it is sent to the agent.
    """

    name: str
    address: str
    type: Any
    about: str
    qos: int = 1
    retain: bool = False
    is_ours: bool = True


TOPICS = (
    Topic("alarm", "alarm/{alarm_id}", AlarmEvent, "One event of an alarm."),
    Topic("drill", "drill/{alarm_id}", AlarmEvent, "One event of a rehearsed alarm."),
    Topic(
        "open-alarms", "alarms/open", list[AlarmEvent], "Last events of open alarms.", retain=True
    ),
    Topic("occupancy", "occupancy/{place}", Occupancy, "Who is in which bed.", retain=True),
    Topic("vitals", "vitals/{bed}", VitalsBody, "A minute of heart and breath; by consent only."),
    Topic("sleep", "sleep/{bed}", SleepBody, "A night in bed; by consent only."),
    Topic("unit-state", "unit/{unit}/state", UnitState, "What is known of a unit.", retain=True),
    Topic("agent-state", "agent/state", AgentState, "Birth and will.", retain=True),
    Topic(
        "command", "command/{name}", CommandBody, "What is asked; never retained.", is_ours=False
    ),
    Topic("response", "response/{name}", Response, "What came of a command."),
)


def schema_of(topic: Topic) -> dict[str, Any]:
    """Return the JSON Schema of a topic's payload. Fields are only ever added."""
    schema = msgspec.json.schema(topic.type)
    return {"$schema": DIALECT, "title": topic.name, "description": topic.about, **schema}


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3 document of the contract."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for topic in TOPICS:
        names = [part[1:-1] for part in (PREFIX + topic.address).split("/") if part[:1] == "{"]
        channels[topic.name] = {
            "address": PREFIX + topic.address,
            "messages": {topic.name: {"$ref": f"#/components/messages/{topic.name}"}},
            "parameters": {name: _PARAMETERS[name] for name in names},
        }
        operations[f"{'send' if topic.is_ours else 'receive'}-{topic.name}"] = {
            "action": "send" if topic.is_ours else "receive",
            "channel": {"$ref": f"#/channels/{topic.name}"},
            "summary": topic.about,
            "bindings": {"mqtt": {"qos": topic.qos, "retain": topic.retain}},
        }
        messages[topic.name] = {
            "contentType": "application/json",
            "payload": {"$ref": f"{topic.name}.json"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Anzhen native contract",
            "version": __version__,
            "description": "Alarms of one home over MQTT 3.1.1 or 5, seen from the agent.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def documents() -> dict[str, bytes]:
    """Return every file by its name."""
    files = {f"{topic.name}.json": schema_of(topic) for topic in TOPICS}
    files["asyncapi.json"] = asyncapi()
    return {
        name: msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"
        for name, body in files.items()
    }


_LEVEL = "1 to 64 letters, digits, _ or -"
_PARAMETERS: dict[str, dict[str, Any]] = {
    "region": {"description": "Region code of 12 digits."},
    "home": {"description": f"Home code: {_LEVEL}."},
    "alarm_id": {"description": "UUID of version 7, one for all events of an alarm."},
    "place": {"description": f"Place: {_LEVEL}."},
    "bed": {"description": f"Bed: {_LEVEL}."},
    "unit": {"description": f"Unit: {_LEVEL}."},
    "name": {"enum": [name.value for name in CommandName]},
}
