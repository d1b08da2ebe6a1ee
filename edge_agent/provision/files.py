"""Files that an installation depends on: written wholly or not at all, secrets for us alone."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from edge_agent.config.reading import ConfigError

SECRET = 0o600
PLAIN = 0o644
_FOLDER = 0o700
_OTHERS = 0o077
_OTHERS_WRITE = 0o022


def make_folder(path: Path) -> None:
    """Make a folder for its owner alone, who is the owner of the one above it.

    Those above it are made likewise; one that is there is left as it is.

    Raises:
        ConfigError: something else has its name, or others may write there.
        OSError: it cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=_FOLDER, exist_ok=True)
        _give_to_owner_of(folder.parent, folder)
    if not path.is_dir():
        raise ConfigError(str(path), "is there and is no folder")
    if path.stat().st_mode & _OTHERS_WRITE:
        raise ConfigError(str(path), "others may write there: chmod go-w")


def write_file(path: Path, content: bytes, mode: int, replace: bool = True) -> None:
    """Write a file, on the disk when this returns; it belongs to whom its folder belongs.

    Args:
        path: the file; its folder is there.
        content: all of it.
        mode: its permissions.
        replace: whether a file that is there may be lost.

    Raises:
        FileExistsError: it is there, and may not be lost.
        ConfigError: the file system keeps no permissions, and this one is a secret.
        OSError: the disk says no; what was there is still there.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            _give_to_owner_of(path.parent, file.fileno())
            os.fchmod(file.fileno(), mode)
            if not mode & _OTHERS and os.fstat(file.fileno()).st_mode & _OTHERS:
                raise ConfigError(str(path.parent), "keeps no permissions: not a place for keys")
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            os.link(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_secret(path: Path, limit: int) -> bytes | None:
    """Return up to `limit` + 1 bytes of a secret, None when it is not there.

    Raises:
        ConfigError: it cannot be read, is no file, or others may read it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(mode):
        raise ConfigError(str(path), "is no file")
    if mode & _OTHERS:
        raise ConfigError(str(path), "others may read it: chmod 600, or --replace it")
    return content


def _give_to_owner_of(folder: Path, made: int | Path) -> None:
    """Let the agent, or whoever called us through sudo, read what root makes for them."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(made, owner.st_uid, owner.st_gid)
