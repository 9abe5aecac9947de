"""A thread that does what is due, and sleeps until something is due again."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from datetime import datetime

from ..mailroom.desk import Desk
from ..passes import Passes
from ..store.protocol import StoreUnavailableError

_log = logging.getLogger(__name__)
_AFTER_TROUBLE_SECONDS = 5.0


class DueThread(ABC):
    """Does its work when it is due. `start` it once, `wake` it after a commit, then `stop` it.

    Args:
        name: What it is called in the log.
        desk: The mailroom's desk.
        awake: Set by whoever commits something that may be due.
    """

    def __init__(self, name: str, desk: Desk, awake: threading.Event) -> None:
        self._name = name
        self._desk = desk
        self._awake = awake
        self._passes = Passes()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"multimail-{name}", daemon=True)
        desk.clock.on_change(self.wake)

    @abstractmethod
    def work(self) -> None:
        """Do all that is due now; return early once `is_stopping`."""

    @abstractmethod
    def next_due(self) -> datetime | None:
        """Return when something falls due that waits now; None when nothing waits."""

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to end."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Begin, with what an earlier run left behind."""
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

    def _run(self) -> None:
        while not self.is_stopping:
            self._awake.clear()
            self._passes.begin()
            pause = self._pass()
            self._passes.end()
            if not self.is_stopping:
                self._awake.wait(pause)

    def _pass(self) -> float | None:
        """Work; return the seconds until more is due, None when only a wake can bring it."""
        try:
            self.work()
            due = self.next_due()
            return None if due is None else self._desk.clock.seconds_until(due)
        except StoreUnavailableError as error:
            if not self.is_stopping:
                _log.warning("The %s thread waits for the database: %s", self._name, error)
        except Exception:
            _log.exception("The %s thread met an error and goes on", self._name)
        return _AFTER_TROUBLE_SECONDS
