"""Plans of when to kill the server, and the killer that carries one out."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

from tests.support.server_launcher import ServerProcess

Moment = Literal[
    "acknowledged",
    "before the relay's answer",
    "after the relay's answer",
    "before the webhook's answer",
    "after the webhook's answer",
    "start",
]
_MOMENTS: tuple[Moment, ...] = get_args(Moment)
_WEIGHTS = (5, 2, 2, 1, 1, 1)
_MAX_ACKNOWLEDGED = 400
"""More is acknowledged only where the event that the plan waits for never comes."""
_MAX_COUNT: dict[Moment, int] = {"acknowledged": 40, **dict.fromkeys(_MOMENTS[3:5], 20)}


@dataclass(frozen=True, slots=True)
class Plan:
    """When to kill: at the `count`th event of a kind, and `pause` seconds into what follows it."""

    at: Moment
    count: int
    pause: float

    @classmethod
    def draw(cls, dice: random.Random) -> Plan:
        """Return the next plan."""
        at: Moment = dice.choices(_MOMENTS, _WEIGHTS)[0]
        pause = 0.15 if at == "start" else dice.choice([0.0, 0.002, 0.01])
        return cls(at, dice.randint(1, _MAX_COUNT.get(at, 5)), dice.uniform(0.0, pause))


class Killer:
    """Kills one run of the server as its plan says."""

    def __init__(self, plan: Plan, server: ServerProcess) -> None:
        self._plan, self._server = plan, server
        self._lock = threading.Lock()
        self._seen: Counter[Moment] = Counter()

    def acknowledged(self) -> None:
        """Note that the server has acknowledged something."""
        if self._is_now("acknowledged") or self._seen["acknowledged"] == _MAX_ACKNOWLEDGED:
            self._kill()

    def handed_over(self) -> None:
        """Note that the relay has a message, which it has not answered yet."""
        self._about_to_answer("before the relay's answer", "after the relay's answer")

    def posted(self) -> None:
        """Note that the receiver has an event, which it has not answered yet."""
        self._about_to_answer("before the webhook's answer", "after the webhook's answer")

    def _about_to_answer(self, before: Moment, after: Moment) -> None:
        if self._is_now(before):
            self._kill()
        elif self._is_now(after):
            threading.Thread(target=self._kill).start()

    def _is_now(self, moment: Moment) -> bool:
        with self._lock:
            self._seen[moment] += 1
            return self._plan.at == moment and self._seen[moment] == self._plan.count

    def _kill(self) -> None:
        time.sleep(self._plan.pause)
        self._server.kill()
