"""Sends one message through apprise, in a process of its own (see `family.py`); run by its path.

```
 stdin: {"url", "title", "body", "kind"} --> exit code, see `Outcome`      no body: only a check
```
The one file that imports apprise; it is an extra (`pip install 'anzhen[apprise]'`) and never part
of the running agent. Nothing is written: an address is a secret, and plugins print theirs.
"""

import json
import sys
from enum import IntEnum


class Outcome(IntEnum):
    """What became of a message."""

    SENT = 0
    NOT_SENT = 1
    """What Python exits with on any error, too."""
    NO_ADDRESS = 3
    MISSING = 4


def main() -> Outcome:
    """Send what standard input says."""
    request = json.loads(sys.stdin.buffer.read())
    try:
        import apprise
    except ImportError:
        return Outcome.MISSING
    sender = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))
    if not sender.add(request["url"]):
        return Outcome.NO_ADDRESS
    if "body" not in request:
        return Outcome.SENT
    sent = sender.notify(
        body=request["body"],
        title=request["title"],
        notify_type=apprise.NotifyType(request["kind"]),
    )
    return Outcome.SENT if sent else Outcome.NOT_SENT


if __name__ == "__main__":
    sys.exit(main())
