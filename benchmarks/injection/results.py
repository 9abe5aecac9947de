"""Results: everything that was measured, and what of it must not be."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version

from multimail.trust import PolicyName

from .ground import Ground
from .letters import Postmark
from .measure import (
    MODES,
    POLICIES,
    SENDERS,
    Case,
    Finding,
    Tally,
    Utility,
    attacked,
    cases,
    suite_attacked,
    utility,
)
from .suite import Workspace

UtilityCase = tuple[str, PolicyName, str]
_FREE = "autonomous"


@dataclass
class Results:
    """What was measured.

    Attributes:
        about: The machine, the versions and the suite, one fact each.
        counted: How many of the suite's tasks and goals were run, and how many there are.
        suite: Attacks of the suite's.
        utility: The user's tasks without an attack, by senders, policy and mode.
        own: Attacks of our own.
    """

    about: list[str] = field(default_factory=list)
    counted: str = ""
    suite: dict[Case, Tally] = field(default_factory=dict)
    utility: dict[UtilityCase, Utility] = field(default_factory=dict)
    own: list[Finding] = field(default_factory=list)

    def faults(self) -> Iterator[str]:
        """Give what must not be, in plain words: an escape, or a measurement that sees none."""
        yield from self.escapes()
        if not self._sees_escapes():
            yield "With the guards off nothing left: the measurement is blind."

    def escapes(self) -> Iterator[str]:
        """Give the runs in which a message left for an address that only mail supplied.

        Left out is the autonomous mailbox whose guards are off: there it must leave.
        """
        for case, tally in self.suite.items():
            if _must_hold(case):
                yield from (f"AgentDojo, {_words(case)}: {name}" for name in tally.named)
        for one in self.own:
            asked = one.attack.promised or one.case.mode != _FREE
            if one.end == "left" and asked and _must_hold(one.case):
                yield f"{one.attack.name}, {_words(one.case)}"

    def _sees_escapes(self) -> bool:
        free = [case for case in cases() if case.policy == "off" and case.mode == _FREE]
        left = {one.case for one in self.own if one.end == "left"}
        seen = [case in left for case in free]
        seen += [self.suite[case].left > 0 for case in free if case in self.suite]
        return all(seen)


def _must_hold(case: Case) -> bool:
    return case.policy != "off" or case.mode != _FREE


def _words(case: Case) -> str:
    return f"{case.evidence}, {case.policy}, {case.mode}"


def measured(say: Callable[[str], None], *, with_suite: bool = True) -> Results:
    """Measure everything.

    Args:
        say: Is told how far it is.
        with_suite: Whether AgentDojo's suite is run, which must be installed then.
    """
    found = Results(about=_about())
    for case in cases():
        say(f"own attacks: {_words(case)}")
        found.own += attacked(case)
    if with_suite:
        _measure_suite(found, say)
    return found


def _measure_suite(found: Results, say: Callable[[str], None]) -> None:
    workspace = Workspace()
    goals = workspace.injections
    met = {task.name for goal in goals for task in goal.tasks}
    whole = sum(task.whole for task in workspace.tasks)
    found.about.append(workspace.version)
    found.counted = (
        f"{len(workspace.tasks)} of {workspace.all_tasks} user tasks use email"
        f" ({whole} of them nothing else), {len(met)} of these read a message that an attacker"
        f" wrote; {len(goals)} of {workspace.all_injections} injected goals need email alone"
        " to send what they are after, the others the calendar or the drive."
    )
    for case in cases():
        say(f"AgentDojo: {_words(case)}")
        with Ground(Postmark(case.evidence), workspace.domains) as ground:
            found.suite[case] = suite_attacked(workspace, ground, case)
    for senders in SENDERS:
        for mode in MODES:
            for policy in POLICIES:
                say(f"AgentDojo without attacks: {senders.name}, {policy}, {mode}")
                ended = utility(workspace, senders, policy, mode)
                found.utility[senders.name, policy, mode] = ended


def _about() -> list[str]:
    return [
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        f"Python {platform.python_version()} ({sys.implementation.name})",
        f"multimail {version('multimail')}",
    ]
