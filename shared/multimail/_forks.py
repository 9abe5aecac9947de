"""Forks: a child process shares no connection and no held lock with its parent."""

from __future__ import annotations

import logging
import os
import weakref
from typing import Protocol

log = logging.getLogger("multimail")


class ForkAware(Protocol):
    """An object that a child process has to give new connections or locks."""

    def _reset_after_fork(self) -> None:
        """Replace what the child must not share. Other threads don't exist there yet."""


_aware: weakref.WeakSet[ForkAware] = weakref.WeakSet()
_inherited: list[object] = []


def reset_after_fork(aware: ForkAware) -> None:
    """Call an object's `_reset_after_fork` in every child that is forked while it lives."""
    _aware.add(aware)


def keep_inherited(connection: object) -> None:
    """Keep a parent's connection open in the child: closing it there would end the parent's."""
    _inherited.append(connection)


def _reset_all() -> None:
    for aware in list(_aware):
        try:
            aware._reset_after_fork()
        except Exception:
            # The others must be reset all the same, or they share connections.
            log.exception("%s could not be prepared for use after a fork.", type(aware).__name__)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
