"""The characters that a fixed task costs: triage twenty messages, read five, answer two."""

from __future__ import annotations

import re
from contextlib import ExitStack

from .agents import AgentDriver, AgentMail, LegacySdk, MultiMail, find_mail
from .comparator import AGENTMAIL, RETIRED, start_comparator
from .dataset import ANSWERED, DOMAIN, FACTS, INBOX, Mail, build_mailbox, prose
from .environment import serve_agentmail_api, serve_retired_api, start_environment
from .metrics import Curve, Figure, Part, Sizes

_OURS = "multimail"
_STEPS = ("triage", "read", "answer")
_MAX_SIZE = 1_000_000
_NOTE = (
    "Twenty messages are triaged, five read (among them a newsletter of 300 KB and a thread of"
    " sixty messages), two answered. Each package reads on, in its own way, until it has shown"
    " every fact that the task needs; the benchmark stops if one is missing. All packages see the"
    " same mail: the retired one on this package's server, with the names that it reads, and"
    " AgentMail's toolkit on an adapter with the fields of its SDK. The figures are the characters"
    " of the tool messages."
)


def measure_scenario(sizes: Sizes) -> Part:
    """Run the task with each package on the same mailbox; every needed fact must be shown."""
    mails = build_mailbox()
    with ExitStack() as stack:
        drivers = _start_drivers(stack, mails)
        counts = {name: _run_task(name, driver, mails) for name, driver in drivers.items()}
    totals = {name: sum(steps.values()) for name, steps in counts.items()}
    better = min((RETIRED, AGENTMAIL), key=lambda name: totals[name])
    figures = [
        Figure("the whole job", totals[_OURS], "characters", f"{better}, the better of the others",
               totals[better], target=0.5)
    ]  # fmt: skip
    for other in (RETIRED, AGENTMAIL):
        figures += [
            Figure(step, counts[_OURS][step], "characters", other, counts[other][step])
            for step in _STEPS
        ]
    curves = {"results": _measure_growth(sizes)}
    return Part("job", "Characters of results for a job", figures, curves, _NOTE)


def _start_drivers(stack: ExitStack, mails: list[Mail]) -> dict[str, AgentDriver]:
    """Return a driver for each package, each with its own mailbox."""
    ours, theirs = (stack.enter_context(start_environment(mails)) for _ in range(2))
    retired_url = stack.enter_context(serve_retired_api(theirs.url))
    agentmail_url = stack.enter_context(serve_agentmail_api(mails))
    retired = stack.enter_context(start_comparator("retired", retired_url, theirs.key))
    agentmail = stack.enter_context(start_comparator("agentmail", agentmail_url))
    return {
        _OURS: MultiMail(ours),
        RETIRED: LegacySdk(retired, theirs),
        AGENTMAIL: AgentMail(agentmail, mails),
    }


def _run_task(name: str, driver: AgentDriver, mails: list[Mail]) -> dict[str, int]:
    """Run the task and return the characters of each step."""
    listing = driver.triage()
    _require_facts(listing, [mail.subject for mail in mails[-INBOX:]], f"{name}'s list")
    read = 0
    for subject, facts in FACTS.items():
        shown = ""
        for text in driver.read(find_mail(mails, subject)):
            read += len(text)
            shown += text
            if all(_contains(shown, fact) for fact in facts):
                break
        _require_facts(shown, facts, f"{name}: {subject}")
    answers = [driver.answer(find_mail(mails, name), body) for name, body in ANSWERED.items()]
    return {"triage": len(listing), "read": read, "answer": sum(map(len, answers))}


def _require_facts(text: str, facts: list[str], source: str) -> None:
    missing = [fact for fact in facts if not _contains(text, fact)]
    if missing:
        raise RuntimeError(f"The job cannot be done: {missing} not shown in {source}.")


def _contains(text: str, fact: str) -> bool:
    return fact in re.sub(r"\s+", " ", text)


def _measure_growth(sizes: Sizes) -> Curve:
    """Return the characters of the first result of reading a message, by the message's size."""
    series: dict[str, list[tuple[float, float]]] = {_OURS: [], RETIRED: [], AGENTMAIL: []}
    size = 1000
    while size <= min(sizes.largest_mail, _MAX_SIZE):
        text = prose(size)
        mails = [Mail(0, f"desk@{DOMAIN}", f"Mail of {size}", text, fresh=text)]
        with ExitStack() as stack:
            for name, driver in _start_drivers(stack, mails).items():
                series[name].append((size, len(next(driver.read(mails[0])))))
        size *= 10
    title = "Reading one mail: characters that the model is sent"
    return Curve(title, "characters of the mail", "characters of the result", series)
