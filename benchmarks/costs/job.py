"""The characters that a fixed job costs: triage twenty mails, read five, answer two."""

from __future__ import annotations

import re
from contextlib import ExitStack

from .agentmail_api import agentmail
from .desks import AgentMail, AppContext, Ours, Retired, wanted
from .figures import Curve, Figure, Part
from .ground import served
from .mails import ANSWERED, DOMAIN, FACTS, INBOX, Mail, mailbox, prose
from .retired_api import retired_api
from .rival import AGENTMAIL, RETIRED, rival
from .sizes import Sizes

_OURS = "multimail"
_STEPS = ("triage", "read", "answer")


def measure(sizes: Sizes) -> Part:
    """Do the job with each pack on the same mailbox; every fact that it needs must be there."""
    mails = mailbox()
    with ExitStack() as stack:
        found = {name: _done(name, desk, mails) for name, desk in _desks(stack, mails).items()}
    totals = {name: sum(steps.values()) for name, steps in found.items()}
    better = min((RETIRED, AGENTMAIL), key=lambda name: totals[name])
    figures = [
        Figure("the whole job", totals[_OURS], "characters", f"{better}, the better of the others",
               totals[better], target=0.5)
    ]  # fmt: skip
    for other in (RETIRED, AGENTMAIL):
        figures += [
            Figure(f"{step}", found[_OURS][step], "characters", other, found[other][step])
            for step in _STEPS
        ]
    return Part("job", "Characters of results for a job", figures, _growth(sizes), _NOTE)


_NOTE = (
    "Twenty mails are triaged, five read (a newsletter of 300 KB and a thread of sixty"
    " messages among them), two answered. Each pack reads on, by its own means, until it has"
    " been shown every fact that the job needs; the benchmark stops if one is missing. All"
    " packs see the same mail: the retired one on this package's server with the names that it"
    " reads, AgentMail's toolkit on an adapter with the fields of its SDK. What counts is the"
    " text of the tool message."
)


def _desks(stack: ExitStack, mails: list[Mail]) -> dict[str, AppContext]:
    """Return a desk for each pack, each with a mailbox of its own."""
    mine, theirs = (stack.enter_context(served(mails)) for _ in range(2))
    url = stack.enter_context(retired_api(theirs.url))
    old = stack.enter_context(rival("retired", url, theirs.key))
    other = stack.enter_context(rival("agentmail", stack.enter_context(agentmail(mails))))
    return {
        _OURS: Ours(mine),
        RETIRED: Retired(old, theirs),
        AGENTMAIL: AgentMail(other, mails),
    }


def _done(name: str, desk: AppContext, mails: list[Mail]) -> dict[str, int]:
    """Do the job at a desk and return the characters of each step."""
    listed = desk.triage()
    _expect(listed, [one.subject for one in mails[-INBOX:]], f"{name}'s list")
    read = 0
    for subject, facts in FACTS.items():
        seen = ""
        for text in desk.read(wanted(mails, subject)):
            read += len(text)
            seen += text
            if all(_is_in(fact, seen) for fact in facts):
                break
        _expect(seen, facts, f"{name}: {subject}")
    answers = [desk.answer(wanted(mails, one), body) for one, body in ANSWERED.items()]
    return {"triage": len(listed), "read": read, "answer": sum(map(len, answers))}


def _expect(text: str, facts: list[str], where: str) -> None:
    missing = [fact for fact in facts if not _is_in(fact, text)]
    if missing:
        raise RuntimeError(f"The job cannot be done: {missing} not shown in {where}.")


def _is_in(fact: str, text: str) -> bool:
    return fact in re.sub(r"\s+", " ", text)


def _growth(sizes: Sizes) -> dict[str, Curve]:
    """Return the characters of the first answer to reading one mail, by the mail's size."""
    series: dict[str, list[tuple[float, float]]] = {_OURS: [], RETIRED: [], AGENTMAIL: []}
    size = 1000
    while size <= min(sizes.largest_mail, 1_000_000):
        text = prose(size)
        mails = [Mail(0, f"desk@{DOMAIN}", f"Mail of {size}", text, fresh=text)]
        with ExitStack() as stack:
            for name, desk in _desks(stack, mails).items():
                series[name].append((size, len(next(desk.read(mails[0])))))
        size *= 10
    title = "Reading one mail: characters that the model is sent"
    return {"results": Curve(title, "characters of the mail", "characters of the result", series)}
