"""The file in which `multimail listen` keeps the id of the last event that was handled."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from .output import CommandError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MAX_ID = 200
_PRIVATE = 0o600


class CursorFile:
    """The id of the last event that was handled, on disk. Open it with `lock`.

    Args:
        path: The file; it and its folder are created when an id is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other listeners from this file; a process that dies releases it.

        Raises:
            CommandError: Another listener uses it.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not the file itself, which every write replaces.
        path = self.path.with_name(f"{self.path.name}.lock")
        lock = os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE)
        try:
            try:
                _lock(lock)
            except OSError:
                raise CommandError(
                    f"Another `multimail listen` uses the cursor file {self.path}.",
                    "Stop it, or give this one another file: --cursor FILE.",
                    "cursor_in_use",
                ) from None
            yield
        finally:
            os.close(lock)

    def read(self) -> str | None:
        """Return the id; None if there is no file.

        Raises:
            CommandError: The file has something else in it.
        """
        try:
            text = self.path.read_bytes().decode("ascii").strip()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            text = ""
        if not text or not text.isprintable() or " " in text or len(text) > MAX_ID:
            raise CommandError(
                f"The cursor file {self.path} does not hold the id of an event.",
                "Remove it to begin with the events from now on, or name another with --cursor.",
                "bad_cursor",
            )
        return text

    def write(self, event_id: str) -> None:
        """Replace the id; on return it is on disk, and there is no moment with half of it."""
        draft = self.path.with_name(f"{self.path.name}.new")
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        try:
            os.write(file, f"{event_id}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)
        draft.replace(self.path)
        _sync_folder(self.path.parent)


def get_default_path(*parts: str) -> Path:
    """Return the file for a listener with these properties, in the user's state directory."""
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        root = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return root / "multimail" / f"listen-{digest[:16]}.cursor"


def _lock(file: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
