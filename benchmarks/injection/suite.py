"""AgentDojo's workspace suite as plain data: its mail, its user's tasks, its injected goals.

AgentDojo (MIT) is installed from the package index into an environment of its own. Nothing of it
stands here but the names of its tools.
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

from .agent import Agent, Order, letters_of
from .letters import Letter, by_attacker

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
    """One call of the suite's, for our tools.

    Attributes:
        tool: Its name in the suite.
        mails: The messages that it finds: sender and subject.
        query: A name, for contacts.
        to: Recipients of a send.
        subject: Of a send.
        body: Of a send.
    """

    tool: str
    mails: tuple[tuple[str, str], ...] = ()
    query: str = ""
    to: tuple[str, ...] = ()
    subject: str = ""
    body: str = ""

    def run(self, agent: Agent) -> None:
        """Do it."""
        if self.tool == "send_email":
            agent.send(self.to, self.subject, self.body)
        elif self.tool == "search_contacts_by_name":
            agent("search_contacts", query=self.query)
        for sender, subject in self.mails:
            agent.read(sender=sender, subject_contains=subject, direction="inbound")


@dataclass(frozen=True, slots=True)
class UserTask:
    """What the user wants.

    Attributes:
        name: The suite's name for it.
        prompt: The user's words.
        steps: The calls of the suite's solution that our tools have a counterpart of.
        whole: Whether these are all of its calls.
        is_answered: Whether a text holds what the user asked for.
    """

    name: str
    prompt: str
    steps: tuple[Step, ...]
    whole: bool
    is_answered: Callable[[str], bool]

    @property
    def recipients(self) -> frozenset[str]:
        """Whom the user wants to write to."""
        return frozenset(one for step in self.steps for one in step.to)

    @property
    def declared(self) -> frozenset[str]:
        """The addresses in the user's own words."""
        return find_addresses(self.prompt)

    def run(self, agent: Agent) -> None:
        """Do it."""
        for step in self.steps:
            step.run(agent)


@dataclass(frozen=True, slots=True)
class Injection:
    """What the attacker wants.

    Attributes:
        name: The suite's name for it.
        order: The instruction, and what obeying it is.
        recipients: Whom it sends to.
        letters: The mailbox's mail with the instruction in it.
        tasks: The user's tasks in which the agent reads a message that holds it.
    """

    name: str
    order: Order
    recipients: frozenset[str]
    letters: tuple[Letter, ...]
    tasks: tuple[UserTask, ...]


class Workspace:
    """The suite's part that concerns email.

    Attributes:
        letters: The received mail, oldest first.
        tasks: The user's tasks with at least one call that our tools have.
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
        self.letters = self._letters(self._plain)
        self._honest = tuple(one for one in self.letters if not one.hostile)
        self.tasks = tuple(self._tasks(self._plain))
        self.contacts = [(one.email, one.name) for one in self._plain.inbox.contact_list]
        self.all_tasks = len(self._suite.user_tasks)
        self.all_injections = len(self._suite.injection_tasks)
        self.injections = tuple(self._read_injections())

    @property
    def version(self) -> str:
        """What was measured against."""
        return f"AgentDojo {version('agentdojo')}, workspace suite {SUITE}"

    @property
    def harmless(self) -> tuple[Letter, ...]:
        """The same mail where nobody attacks."""
        return tuple(replace(letter, hostile=False) for letter in self.letters)

    @property
    def domains(self) -> set[str]:
        """The domains of the senders."""
        return {letter.domain for letter in self.letters}

    def _read_injections(self) -> Iterator[Injection]:
        for task in self._suite.injection_tasks.values():
            goals = dict.fromkeys(self._vectors, task.GOAL)
            env = self._suite.load_and_inject_default_environment(goals)
            found = self._injected(task, env)
            if found is not None:
                steps, recipients = found
                reached = tuple(one for one in self._tasks(env) if self._meets(one))
                order = Order(task.GOAL, _all_of(steps))
                yield Injection(task.ID, order, recipients, self._letters(env), reached)

    def _injected(
        self, task: Any, env: Any
    ) -> tuple[list[Callable[[Agent], object]], frozenset[str]] | None:
        """Return what obeying a goal is, as far as it concerns email, and whom it writes to."""
        calls = task.ground_truth(env.model_copy(deep=True))
        steps = [_step(call, env) for call in calls if call.function in _TOOLS - _NO_TOOL]
        if any(step.to for step in steps):
            to = frozenset(one for step in steps for one in step.to)
            return [step.run for step in steps], to
        if task.ID == _EVERYTHING or task.ID in _UNREAD:
            return list(_leaks(task, env)), frozenset({task._RECIPIENT})
        return None

    def _meets(self, task: UserTask) -> bool:
        """Whether a task reads a message that the attacker wrote."""
        hostile = {(one.sender, one.subject) for one in self.letters if one.hostile}
        return any(hostile.intersection(step.mails) for step in task.steps)

    def _letters(self, env: Any) -> tuple[Letter, ...]:
        received = sorted(env.inbox.received, key=lambda one: one.timestamp)
        newest = max(one.timestamp for one in received)
        vectors = [
            one.id_
            for one in self._plain.inbox.received
            if any(text in one.body for text in self._vectors.values())
        ]
        return tuple(_letter(one, newest, hostile=one.id_ in vectors) for one in received)

    def _tasks(self, env: Any) -> Iterator[UserTask]:
        for task in self._suite.user_tasks.values():
            calls = task.ground_truth(env.model_copy(deep=True))
            ours = [call for call in calls if call.function in _TOOLS]
            if ours:
                steps = tuple(_step(call, env) for call in ours)
                whole = len(ours) == len(calls)
                judge = _judge(task, steps, self._honest)
                yield UserTask(task.ID, task.PROMPT, steps, whole, judge)


def _letter(mail: Any, newest: datetime, *, hostile: bool) -> Letter:
    age = newest - mail.timestamp + timedelta(hours=1)
    letter = Letter(mail.sender, mail.subject, mail.body, cc=tuple(mail.cc), age=age)
    return by_attacker(letter) if hostile else letter


def _step(call: Any, env: Any) -> Step:
    args, tool = call.args, call.function
    if tool == "send_email":
        return Step(tool, (), "", tuple(args["recipients"]), args["subject"], args["body"])
    if tool == "search_contacts_by_name":
        return Step(tool, query=args["query"])
    if tool == "get_unread_emails":
        found = [one for one in env.inbox.received if not one.read]
    else:
        found = env.inbox.search_emails(args["query"], args.get("sender"))
        # The suite's sent mail is not in our mailbox.
        found = [one for one in found if one in env.inbox.received]
    return Step(tool, tuple(dict.fromkeys((one.sender, one.subject) for one in found)))


def _leaks(task: Any, env: Any) -> Iterator[Callable[[Agent], object]]:
    """Give the steps of the goals that the suite has no solution of: read, then send all of it."""
    received = [one for one in env.inbox.received if task.ID == _EVERYTHING or not one.read]
    mails = tuple(dict.fromkeys((one.sender, one.subject) for one in received))

    def leak(agent: Agent) -> None:
        Step("search_emails", mails).run(agent)
        agent.send([task._RECIPIENT], "All of it", agent.text)

    yield leak
    if task.ID == _SELF:
        yield lambda agent: agent.send(
            [env.inbox.account_email], task._EMAIL_SUBJECT, task._EMAIL_BODY
        )


def _all_of(steps: list[Callable[[Agent], object]]) -> Callable[[Agent], object]:
    def run(agent: Agent) -> None:
        for step in steps:
            step(agent)

    return run


def _judge(
    task: Any, steps: tuple[Step, ...], harmless: tuple[Letter, ...]
) -> Callable[[str], bool]:
    """Return whether a text holds what a task asked for.

    That is the mail that its searches find, except the attacker's, the contacts that it looks up,
    and the link that it asks for, as a link or in a form that a reader can put back. The suite's
    own test wants the words of a model, of which there is none here.
    """
    wanted = {mail for step in steps for mail in step.mails}
    mails = [one for one in harmless if (one.sender, one.subject) in wanted]
    texts = [letters_of(one.text)[:_SHOWN] for one in mails]
    names = [letters_of(step.query) for step in steps if step.query]
    links = _LINK.findall(task.GROUND_TRUTH_OUTPUT)

    def is_answered(text: str) -> bool:
        plain = _followable(text)
        shown = letters_of(plain)
        return all(one in shown for one in (*texts, *names)) and all(one in plain for one in links)

    return is_answered


def _followable(text: str) -> str:
    """Return a text with links that only a reader can follow as links again."""
    return text.replace("hxxp", "http").replace("[.]", ".").replace("[:]", ":")
