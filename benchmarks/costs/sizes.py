"""How much is measured: as it should be, or so little that only the way is tried."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of every part.

    Attributes:
        calls: Rounds of tool calls.
        reads: Concurrent reads.
        rounds: Rounds of whatever takes seconds.
        imports: Rounds of imports, each in a process of its own.
        largest_mail: Characters of the largest message that is labelled and cleaned.
        powers: The largest mailbox is ten to this.
        seconds: Of sending, each round.
        starts: How often to start the server.
        smtp: Messages that each SMTP client sends in a round.
    """

    calls: int = 200
    reads: int = 1000
    rounds: int = 5
    imports: int = 11
    largest_mail: int = 10_000_000
    powers: int = 6
    seconds: float = 4.0
    starts: int = 7
    smtp: int = 50


FULL = Sizes()
QUICK = Sizes(
    calls=10,
    reads=50,
    rounds=1,
    imports=1,
    largest_mail=100_000,
    powers=4,
    seconds=0.5,
    starts=1,
    smtp=3,
)
