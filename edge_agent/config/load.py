"""Reads the configuration file and checks all of it."""

from pathlib import Path
from typing import Any

from edge_agent.config.file import Config
from edge_agent.config.reading import convert, read_toml
from edge_agent.config.references import check_references


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file cannot be read or something in it is wrong.
    """
    return parse(read_toml(path))


def parse(tree: dict[str, Any]) -> Config:
    """Check a tree of TOML values.

    Raises:
        ConfigError: naming the first key that is wrong.
    """
    config = convert(tree, Config)
    check_references(config)
    return config
