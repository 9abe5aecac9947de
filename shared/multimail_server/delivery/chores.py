"""Chores: one thread for what falls due by itself beside mail - retention, and notices by mail."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ..mailroom.desk import Desk
from ..passes import Passes
from ..store.protocol import StoreUnavailableError

_log = logging.getLogger(__name__)
_AFTER_TROUBLE_SECONDS = 5.0


class Chore(Protocol):
    """Something that is done whenever it is due."""

    def run(self) -> None:
        """Do all that is due now."""
        ...

    def next_due(self) -> datetime | None:
        """Return when there is something to do again; None when only a change can bring it."""
        ...


class Chores:
    """Does chores when they are due. `start` it once, `wake` it after a change, then `stop` it.

    Args:
        desk: The mailroom's desk.
        chores: What there is to do.
        awake: Set by whoever commits something that may be due.
    """

    def __init__(self, desk: Desk, chores: Sequence[Chore], awake: threading.Event) -> None:
        self._desk = desk
        self._chores = chores
        self._awake = awake
        self._passes = Passes()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="multimail-chores", daemon=True)
        desk.clock.on_change(self.wake)

    def start(self) -> None:
        """Begin, with what fell due while the server was down."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in hand and end."""
        self._stopping.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join()

    def wake(self) -> None:
        """Look for work now."""
        self._awake.set()

    def settle(self, seconds: float) -> bool:
        """Do all that is due by now; return whether that came to its end in time."""
        return self._passes.wait_for_one(self.wake, seconds)

    def next_due(self) -> datetime | None:
        """Return when a chore falls due that waits now; None when none waits."""
        moments = [chore.next_due() for chore in self._chores]
        return min((moment for moment in moments if moment is not None), default=None)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.clear()
            self._passes.begin()
            try:
                pause = self._round()
            except StoreUnavailableError as error:
                if not self._stopping.is_set():
                    _log.warning("The chores wait for the database: %s", error)
                pause = _AFTER_TROUBLE_SECONDS
            except Exception:
                _log.exception("A chore met an error; the others go on")
                pause = _AFTER_TROUBLE_SECONDS
            self._passes.end()
            if not self._stopping.is_set():
                self._awake.wait(pause)

    def _round(self) -> float | None:
        """Do what is due; return the seconds until there is more."""
        for chore in self._chores:
            chore.run()
        due = self.next_due()
        return None if due is None else self._desk.clock.seconds_until(due)
