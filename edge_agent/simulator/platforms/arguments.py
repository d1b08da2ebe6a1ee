"""What `anzhen platform` takes; apart, so that no other command loads what it runs on."""

import argparse
from pathlib import Path

from edge_agent.simulator.platforms.rules import ORDERS, Reaction

PROFILES = ("native", "thingsboard", "aliyun", "jetlinks", "huawei", "onenet", "county")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `anzhen platform` takes."""
    parser.add_argument("profile", choices=PROFILES)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (loopback)")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port (a free one)")
    parser.add_argument("--answer", choices=list(Reaction), default=Reaction.ACCEPT, type=Reaction)
    parser.add_argument("--settings", type=Path, metavar="F", help="TOML: the route's own keys")
    parser.add_argument("--bodies", type=Path, metavar="F", help="county: accept, reject (JSON)")
    parser.add_argument(
        "--commands", default=",".join(ORDERS), metavar="A,B", help="sent for an alarm, or none"
    )
    parser.add_argument("--pace", type=float, default=2.0, metavar="S", help="before each (2)")
    parser.add_argument("--for", type=float, dest="seconds", metavar="S", help="end after")
    parser.add_argument("--check", action="store_true", help="native: only check a broker")
    parser.add_argument(
        "--broker", default="127.0.0.1:1883", metavar="HOST:PORT", help="the one to check"
    )
