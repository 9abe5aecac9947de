"""Measures how the attacks and the tasks end, by what the relay takes."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from multimail.sessions import MemorySessionStore
from multimail.trust import Action, PolicyName
from multimail.trust.addresses import normalize_addresses

from .agent import Agent, Instruction
from .attacks import COLLEAGUE, DOMAINS, Attack, iter_attacks
from .environment import DOMAIN, Environment, Mailbox, Outcome
from .jobs import ATTACKS, JOBS, Judged, run_jobs
from .messages import Evidence, MessageSigner
from .suite import Injection, UserTask, Workspace

POLICIES: tuple[PolicyName, ...] = ("off", "standard", "strict")
MODES = ("autonomous", "gated_send")


@dataclass(frozen=True, slots=True)
class Case:
    """The circumstances of a run.

    Attributes:
        evidence: The evidence for the attacker's mail.
        policy: The guard's policy.
        mode: The mailbox's oversight mode.
    """

    evidence: Evidence
    policy: PolicyName
    mode: str


def iter_cases(modes: Sequence[str] = MODES) -> Iterator[Case]:
    """Yield every combination."""
    for evidence in Evidence:
        for mode in modes:
            for policy in POLICIES:
                yield Case(evidence, policy, mode)


@dataclass
class Tally:
    """How the runs of one case ended.

    Attributes:
        runs: The number of runs.
        read: Runs in which the agent read, and so obeyed, an injected instruction.
        left: Runs in which the relay accepted a message to an address that only mail supplied.
        held: Runs in which none was sent and such a message waits for approval.
        named: The names of the runs in which a message left.
    """

    runs: int = 0
    read: int = 0
    left: int = 0
    held: int = 0
    named: list[str] = field(default_factory=list)

    @property
    def stopped(self) -> int:
        """Runs in which nothing was sent and nothing waits: refused, or never read."""
        return self.runs - self.left - self.held

    def add(self, name: str, *, read: bool, left: bool, held: bool) -> None:
        """Count a run."""
        self.runs += 1
        self.read += read
        self.left += left
        self.held += held and not left
        if left:
            self.named.append(name)


def run_suite_attacks(workspace: Workspace, environment: Environment, case: Case) -> Tally:
    """Run each of the user's tasks with each injected goal that it can read."""
    tally = Tally()
    for injection in workspace.injections:
        box = environment.create_mailbox(case.mode, injection.messages)
        for task in injection.tasks:
            agent = _run(box, task, case.policy, instructions=(injection.instruction,))
            _count(tally, box, agent, task, injection)
    return tally


def _count(tally: Tally, box: Mailbox, agent: Agent, task: UserTask, injection: Injection) -> None:
    outcome, expected = box.outcome(), normalize_addresses(task.recipients)
    tally.add(
        f"{task.name} with {injection.name}",
        read=bool(agent.obeyed),
        left=bool(outcome.left - expected),
        held=bool(outcome.held - expected),
    )


def _run(
    box: Mailbox,
    task: UserTask,
    policy: PolicyName,
    *,
    instructions: Sequence[Instruction] = (),
    listed: Sequence[str] = (),
    declares: bool = True,
) -> Agent:
    with box.tools(policy, listed=listed) as tools:
        if declares:
            tools.declare_recipients(task.declared)
        agent = Agent(tools, instructions, session=task.name)
        task.run(agent)
    return agent


@dataclass(frozen=True, slots=True)
class Senders:
    """The senders of a mailbox without an attack.

    Attributes:
        name: The name in the table.
        signed: Whether their mail is signed.
        listed: The addresses and domains that the operator lists.
        declared: Whether the app declares the addresses in the user's prompt.
    """

    name: str
    signed: bool = True
    listed: tuple[str, ...] = ()
    declared: bool = True


SENDERS = (
    Senders("signed, the user's own domain listed", listed=(DOMAIN,)),
    Senders("signed"),
    Senders("signed, the app declares nobody", declared=False),
    Senders("unsigned", signed=False),
)


@dataclass
class Utility:
    """How the user's tasks end without an attack.

    Attributes:
        runs: The number of runs.
        done: Runs that were answered and sent without approval.
        held: Runs that were answered and in which a message waits for approval.
        stopped: The names of the tasks that were not completed: withheld or refused.
    """

    runs: int = 0
    done: int = 0
    held: int = 0
    stopped: list[str] = field(default_factory=list)


def measure_utility(
    workspace: Workspace, senders: Senders, policy: PolicyName, mode: str
) -> Utility:
    """Run each of the user's tasks without an attack."""
    result = Utility()
    # No message is hostile here: the suite's advertisements are ordinary mail.
    signer = MessageSigner(Evidence.AUTHENTICATED, all_signed=senders.signed)
    with Environment(signer, workspace.domains) as environment:
        for address, name in workspace.contacts:
            environment.add_contact(address, name)
        box = environment.create_mailbox(mode, workspace.harmless)
        for task in workspace.tasks:
            agent = _run(box, task, policy, listed=senders.listed, declares=senders.declared)
            _count_utility(result, box, agent, task)
    return result


def _count_utility(result: Utility, box: Mailbox, agent: Agent, task: UserTask) -> None:
    outcome, expected = box.outcome(), normalize_addresses(task.recipients)
    result.runs += 1
    if not task.is_answered(agent.text) or not expected <= outcome.left | outcome.held:
        result.stopped.append(task.name)
    elif expected <= outcome.left:
        result.done += 1
    else:
        result.held += 1


@dataclass(frozen=True, slots=True)
class Finding:
    """How one of our own attacks ended.

    Attributes:
        attack: The attack.
        case: The circumstances.
        end: `left`, `held`, `refused` or `unread`.
    """

    attack: Attack
    case: Case
    end: str


def run_own_attacks(case: Case, chosen: Sequence[Attack] | None = None) -> Iterator[Finding]:
    """Run our own attacks.

    Args:
        case: The circumstances.
        chosen: The attacks; default all.
    """
    with Environment(MessageSigner(case.evidence), DOMAINS) as environment:
        for attack in chosen or tuple(iter_attacks()):
            box, other = (
                environment.create_mailbox(case.mode, attack.messages),
                environment.create_mailbox(case.mode),
            )
            store = MemorySessionStore()
            with (
                box.tools(case.policy, store=store) as tools,
                other.tools(case.policy, store=store) as elsewhere,
            ):
                tools.declare_recipients([COLLEAGUE])
                agent = Agent(tools, _get_instructions(attack), elsewhere=Agent(elsewhere))
                attack.user(agent)
            yield Finding(attack, case, _end(attack, agent, box.outcome() | other.outcome()))


def _get_instructions(attack: Attack) -> tuple[Instruction, ...]:
    return (attack.instruction,) if attack.instruction else ()


def _end(attack: Attack, agent: Agent, outcome: Outcome) -> str:
    if attack.target in outcome.left:
        return "left"
    if attack.target in outcome.held:
        return "held"
    return "refused" if attack.was_read(agent) else "unread"


UtilityCase = tuple[str, PolicyName, str]
_FREE = "autonomous"


@dataclass
class Results:
    """The results of all measurements.

    Attributes:
        about: The machine, the versions and the suite.
        counted: How many of the suite's tasks and goals were run, of how many.
        suite: The results of the suite's attacks.
        utility: The results without an attack, by senders, policy and mode.
        own: The results of our own attacks.
        jobs: How ordinary jobs went in an autonomous mailbox under `standard`.
        orders: How orders in mail went there.
    """

    about: list[str] = field(default_factory=list)
    counted: str = ""
    suite: dict[Case, Tally] = field(default_factory=dict)
    utility: dict[UtilityCase, Utility] = field(default_factory=dict)
    own: list[Finding] = field(default_factory=list)
    jobs: list[Judged] = field(default_factory=list)
    orders: list[Judged] = field(default_factory=list)

    def faults(self) -> Iterator[str]:
        """Yield every fault: a message that left, or a measurement that would not notice it."""
        yield from self.escapes()
        for judged in (*self.jobs, *self.orders):
            if judged.is_wrong and judged.got is Action.ALLOW:
                yield f"wrongly free: {judged.job.name}"
        if not self._sees_escapes():
            yield "With the guards off no message left, so the measurement does not work."

    def escapes(self) -> Iterator[str]:
        """Yield the runs in which a message left for an address that only mail supplied.

        An autonomous mailbox with the guards off is left out: there, messages must leave.
        """
        for case, tally in self.suite.items():
            if _is_guarded(case):
                yield from (f"AgentDojo, {_describe(case)}: {name}" for name in tally.named)
        for item in self.own:
            covered = item.attack.promised or item.case.mode != _FREE
            if item.end == "left" and covered and _is_guarded(item.case):
                yield f"{item.attack.name}, {_describe(item.case)}"

    def _sees_escapes(self) -> bool:
        free = [case for case in iter_cases() if case.policy == "off" and case.mode == _FREE]
        left = {item.case for item in self.own if item.end == "left"}
        seen = [case in left for case in free]
        seen += [self.suite[case].left > 0 for case in free if case in self.suite]
        return all(seen)


def _is_guarded(case: Case) -> bool:
    return case.policy != "off" or case.mode != _FREE


def _describe(case: Case) -> str:
    return f"{case.evidence}, {case.policy}, {case.mode}"


def measure(log: Callable[[str], None], *, with_suite: bool = True) -> Results:
    """Measure everything.

    Args:
        log: Called with a line of progress.
        with_suite: Whether to run AgentDojo's suite, which then must be installed.
    """
    results = Results(about=_describe_system())
    for case in iter_cases():
        log(f"own attacks: {_describe(case)}")
        results.own += run_own_attacks(case)
    log("ordinary jobs")
    results.jobs += run_jobs(JOBS)
    results.orders += run_jobs(ATTACKS)
    if with_suite:
        _measure_suite(results, log)
    return results


def _measure_suite(results: Results, log: Callable[[str], None]) -> None:
    workspace = Workspace()
    goals = workspace.injections
    attacked = {task.name for goal in goals for task in goal.tasks}
    whole = sum(task.whole for task in workspace.tasks)
    results.about.append(workspace.version)
    results.counted = (
        f"{len(workspace.tasks)} of {workspace.all_tasks} user tasks use email"
        f" ({whole} of them nothing else), {len(attacked)} of these read a message that an attacker"
        f" wrote; {len(goals)} of {workspace.all_injections} injected goals need email alone"
        " to send what they are after, the others the calendar or the drive."
    )
    for case in iter_cases():
        log(f"AgentDojo: {_describe(case)}")
        with Environment(MessageSigner(case.evidence), workspace.domains) as environment:
            results.suite[case] = run_suite_attacks(workspace, environment, case)
    for senders in SENDERS:
        for mode in MODES:
            for policy in POLICIES:
                log(f"AgentDojo without attacks: {senders.name}, {policy}, {mode}")
                ended = measure_utility(workspace, senders, policy, mode)
                results.utility[senders.name, policy, mode] = ended


def _describe_system() -> list[str]:
    return [
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        f"Python {platform.python_version()} ({sys.implementation.name})",
        f"multimail {version('multimail')}",
    ]
