"""Chores: one thread for what falls due by itself beside mail - retention, and notices by mail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ..mailroom.desk import Desk
from ..signals import Alarm
from .due_thread import DueThread


class Chore(Protocol):
    """Something that is done whenever it is due."""

    def run(self) -> None:
        """Do all that is due now."""
        ...

    def next_due(self) -> datetime | None:
        """Return when there is something to do again; None when only a change can bring it."""
        ...


class Chores(DueThread):
    """Does chores when they are due.

    Args:
        desk: The mailroom's desk.
        chores: What there is to do.
        alarm: Rung by whoever commits something that will be due.
    """

    def __init__(self, desk: Desk, chores: Sequence[Chore], alarm: Alarm) -> None:
        super().__init__("chores", desk, alarm)
        self._chores = chores

    def work(self) -> None:
        """Do all that is due now."""
        self.alone("chores", self._do)

    def _do(self) -> None:
        for chore in self._chores:
            chore.run()

    def next_due(self) -> datetime | None:
        """Return when a chore falls due that waits now; None when none waits."""
        moments = [chore.next_due() for chore in self._chores]
        return min((moment for moment in moments if moment is not None), default=None)
