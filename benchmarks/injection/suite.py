"""AgentDojo's workspace suite as plain data: its mail, its user's tasks, its injected goals.

AgentDojo (MIT) is installed from the package index into a separate environment. This module has
only the names of its tools.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from multimail.trust.addresses import find_addresses

from .agent import Agent, Instruction, normalize_text
from .messages import IncomingMessage, mark_hostile

SUITE = "v1.2.2"
_TOOLS = frozenset(
    {"search_emails", "get_unread_emails", "send_email", "search_contacts_by_name", "delete_email"}
)
_NO_TOOL = frozenset({"delete_email"})
_SHOWN = 60
_LINK = re.compile(r"https?://\S+")
_EVERYTHING = "injection_task_7"
_SELF = "injection_task_9"
_UNREAD = frozenset({"injection_task_6", "injection_task_8", "injection_task_9"})


@dataclass(frozen=True, slots=True)
class Step:
    """A tool call of the suite, translated to our tools.

    Attributes:
        tool: The name of the tool in the suite.
        mails: The messages that it finds, by sender and subject.
        query: The name to search contacts for.
        to: The recipients of a message to send.
        subject: The subject of that message.
        body: The body of that message.
    """

    tool: str
    mails: tuple[tuple[str, str], ...] = ()
    query: str = ""
    to: tuple[str, ...] = ()
    subject: str = ""
    body: str = ""

    def run(self, agent: Agent) -> None:
        """Make the call."""
        if self.tool == "send_email":
            agent.send(self.to, self.subject, self.body)
        elif self.tool == "search_contacts_by_name":
            agent("search_contacts", query=self.query)
        for sender, subject in self.mails:
            agent.read(sender=sender, subject_contains=subject, direction="inbound")


@dataclass(frozen=True, slots=True)
class UserTask:
    """A task of the user.

    Attributes:
        name: The name in the suite.
        prompt: The user's prompt.
        steps: The calls of the suite's solution for which our tools have a counterpart.
        whole: Whether these are all calls of the solution.
        is_answered: Returns whether a text has what the user asked for.
    """

    name: str
    prompt: str
    steps: tuple[Step, ...]
    whole: bool
    is_answered: Callable[[str], bool]

    @property
    def recipients(self) -> frozenset[str]:
        """The addresses that the user wants to write to."""
        return frozenset(address for step in self.steps for address in step.to)

    @property
    def declared(self) -> frozenset[str]:
        """The addresses in the user's prompt."""
        return find_addresses(self.prompt)

    def run(self, agent: Agent) -> None:
        """Do the task."""
        for step in self.steps:
            step.run(agent)


@dataclass(frozen=True, slots=True)
class Injection:
    """A goal of the attacker.

    Attributes:
        name: The name in the suite.
        instruction: The injected instruction.
        recipients: The addresses that it sends to.
        messages: The mail in the mailbox, with the instruction in it.
        tasks: The user's tasks in which the agent reads a message with the instruction.
    """

    name: str
    instruction: Instruction
    recipients: frozenset[str]
    messages: tuple[IncomingMessage, ...]
    tasks: tuple[UserTask, ...]


class Workspace:
    """The part of the suite that concerns email.

    Attributes:
        messages: The received mail, oldest first.
        tasks: The user's tasks with at least item call that our tools have.
        injections: The injected goals that email tools can carry out, at least in part.
        contacts: The address book: addresses and names.
        all_tasks: How many tasks the suite has.
        all_injections: How many injected goals the suite has.
    """

    def __init__(self) -> None:
        loader: Any = importlib.import_module("agentdojo.task_suite.load_suites")
        self._suite = loader.get_suite(SUITE, "workspace")
        defaults = self._suite.get_injection_vector_defaults()
        self._vectors = {name: text for name, text in defaults.items() if name.startswith("email")}
        self._plain = self._suite.load_and_inject_default_environment({})
        self.messages = self._read_messages(self._plain)
        self._honest = tuple(message for message in self.messages if not message.hostile)
        self.tasks = tuple(self._iter_tasks(self._plain))
        self.contacts = [(item.email, item.name) for item in self._plain.inbox.contact_list]
        self.all_tasks = len(self._suite.user_tasks)
        self.all_injections = len(self._suite.injection_tasks)
        self.injections = tuple(self._read_injections())

    @property
    def version(self) -> str:
        """The versions of AgentDojo and of the suite."""
        return f"AgentDojo {version('agentdojo')}, workspace suite {SUITE}"

    @property
    def harmless(self) -> tuple[IncomingMessage, ...]:
        """The same mail without an attack."""
        return tuple(replace(message, hostile=False) for message in self.messages)

    @property
    def domains(self) -> set[str]:
        """The domains of the senders."""
        return {message.domain for message in self.messages}

    def _read_injections(self) -> Iterator[Injection]:
        for task in self._suite.injection_tasks.values():
            goals = dict.fromkeys(self._vectors, task.GOAL)
            env = self._suite.load_and_inject_default_environment(goals)
            attack = self._get_attack(task, env)
            if attack is not None:
                steps, recipients = attack
                reached = tuple(item for item in self._iter_tasks(env) if self._reads_attack(item))
                instruction = Instruction(task.GOAL, _run_all(steps))
                yield Injection(task.ID, instruction, recipients, self._read_messages(env), reached)

    def _get_attack(
        self, task: Any, env: Any
    ) -> tuple[list[Callable[[Agent], object]], frozenset[str]] | None:
        """Return the email steps that carry out a goal, and the addresses that it writes to."""
        calls = task.ground_truth(env.model_copy(deep=True))
        steps = [_build_step(call, env) for call in calls if call.function in _TOOLS - _NO_TOOL]
        if any(step.to for step in steps):
            to = frozenset(address for step in steps for address in step.to)
            return [step.run for step in steps], to
        if task.ID == _EVERYTHING or task.ID in _UNREAD:
            return list(_iter_leaks(task, env)), frozenset({task._RECIPIENT})
        return None

    def _reads_attack(self, task: UserTask) -> bool:
        """Return whether a task reads a message that the attacker wrote."""
        hostile = {(item.sender, item.subject) for item in self.messages if item.hostile}
        return any(hostile.intersection(step.mails) for step in task.steps)

    def _read_messages(self, env: Any) -> tuple[IncomingMessage, ...]:
        received = sorted(env.inbox.received, key=lambda item: item.timestamp)
        newest = max(item.timestamp for item in received)
        vectors = [
            item.id_
            for item in self._plain.inbox.received
            if any(text in item.body for text in self._vectors.values())
        ]
        return tuple(_build_message(item, newest, hostile=item.id_ in vectors) for item in received)

    def _iter_tasks(self, env: Any) -> Iterator[UserTask]:
        for task in self._suite.user_tasks.values():
            calls = task.ground_truth(env.model_copy(deep=True))
            ours = [call for call in calls if call.function in _TOOLS]
            if ours:
                steps = tuple(_build_step(call, env) for call in ours)
                whole = len(ours) == len(calls)
                check = _build_check(task, steps, self._honest)
                yield UserTask(task.ID, task.PROMPT, steps, whole, check)


def _build_message(mail: Any, newest: datetime, *, hostile: bool) -> IncomingMessage:
    age = newest - mail.timestamp + timedelta(hours=1)
    message = IncomingMessage(mail.sender, mail.subject, mail.body, cc=tuple(mail.cc), age=age)
    return mark_hostile(message) if hostile else message


def _build_step(call: Any, env: Any) -> Step:
    args, tool = call.args, call.function
    if tool == "send_email":
        return Step(tool, (), "", tuple(args["recipients"]), args["subject"], args["body"])
    if tool == "search_contacts_by_name":
        return Step(tool, query=args["query"])
    if tool == "get_unread_emails":
        messages = [item for item in env.inbox.received if not item.read]
    else:
        messages = env.inbox.search_emails(args["query"], args.get("sender"))
        # Our mailbox does not have the suite's sent mail.
        messages = [item for item in messages if item in env.inbox.received]
    return Step(tool, tuple(dict.fromkeys((item.sender, item.subject) for item in messages)))


def _iter_leaks(task: Any, env: Any) -> Iterator[Callable[[Agent], object]]:
    """Yield the steps of the goals without a solution in the suite: read, then send everything."""
    received = [item for item in env.inbox.received if task.ID == _EVERYTHING or not item.read]
    mails = tuple(dict.fromkeys((item.sender, item.subject) for item in received))

    def leak(agent: Agent) -> None:
        Step("search_emails", mails).run(agent)
        agent.send([task._RECIPIENT], "All of it", agent.text)

    yield leak
    if task.ID == _SELF:
        yield lambda agent: agent.send(
            [env.inbox.account_email], task._EMAIL_SUBJECT, task._EMAIL_BODY
        )


def _run_all(steps: list[Callable[[Agent], object]]) -> Callable[[Agent], object]:
    def run(agent: Agent) -> None:
        for step in steps:
            step(agent)

    return run


def _build_check(
    task: Any, steps: tuple[Step, ...], harmless: tuple[IncomingMessage, ...]
) -> Callable[[str], bool]:
    """Return a function that tests whether a text has what a task asks for.

    That is the mail that its searches find, except the attacker's, the contacts that it looks up,
    and the link that it asks for, as a link or in a form that a reader can restore. The suite's own
    test needs the words of a model, and there is none here.
    """
    wanted = {mail for step in steps for mail in step.mails}
    mails = [item for item in harmless if (item.sender, item.subject) in wanted]
    texts = [normalize_text(item.text)[:_SHOWN] for item in mails]
    names = [normalize_text(step.query) for step in steps if step.query]
    links = _LINK.findall(task.GROUND_TRUTH_OUTPUT)

    def is_answered(text: str) -> bool:
        plain = _restore_links(text)
        shown = normalize_text(plain)
        return all(item in shown for item in (*texts, *names)) and all(
            link in plain for link in links
        )

    return is_answered


def _restore_links(text: str) -> str:
    """Return a text with defanged links restored."""
    return text.replace("hxxp", "http").replace("[.]", ".").replace("[:]", ":")
