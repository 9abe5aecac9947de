"""The report: results as Markdown tables, between marks in the page that explains them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from .letters import Evidence
from .measure import MODES, POLICIES, SENDERS, Case
from .results import Results

PAGE = Path(__file__).parents[2] / "docs" / "injection.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

_LEGEND = (
    "What became of the message in an autonomous mailbox, where the attacker's mail is"
    f" {' / '.join(Evidence)}. One word stands for three that are equal. `unread`: the agent was"
    " never shown the instruction."
)


def rendered(found: Results) -> str:
    """Return the results as Markdown."""
    parts = [f"Measured by `scripts/bench-injection --write` on {'; '.join(found.about)}."]
    if found.suite:
        parts += [found.counted, _suite_table(found), _stopped_note(), _utility_table(found)]
    parts += [
        "### Attacks of our own",
        _LEGEND,
        _own_table(found, promised=True),
        "### What the guards do not promise to stop",
        _own_table(found, promised=False),
        _gated_note(found),
    ]
    return "\n\n".join(parts)


def write(found: Results, page: Path = PAGE) -> None:
    """Put the results between the marks of the page.

    Raises:
        ValueError: The page has no such marks.
    """
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page.name} has no lines {BEGIN} and {END}.")
    page.write_text(f"{before}{BEGIN}\n{rendered(found)}\n{END}{after}", "utf-8")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _suite_table(found: Results) -> str:
    head = ["Attacker's mail", "Policy", "Runs", "Instruction read"]
    head += [f"{mode}: {end}" for mode in MODES for end in ("left", "held", "neither")]
    return "### AgentDojo's attacks\n\n" + _table(head, _suite_rows(found))


def _suite_rows(found: Results) -> Iterator[list[str]]:
    for evidence in Evidence:
        for policy in POLICIES:
            tallies = [found.suite[Case(evidence, policy, mode)] for mode in MODES]
            row = [str(evidence), policy, str(tallies[0].runs), str(tallies[0].read)]
            for one in tallies:
                row += map(str, (one.left, one.held, one.stopped))
            yield row


def _stopped_note() -> str:
    return (
        "`left`: the relay took a message for an address that only mail supplied. `held`: none"
        " left, and one awaits a human. `neither`: none left and none waits; it was refused, or"
        " the agent was never shown the instruction."
    )


def _utility_table(found: Results) -> str:
    head = ["Senders", "Policy"]
    head += [f"{mode}: {end}" for mode in MODES for end in ("done", "held", "stopped")]
    rows = []
    for senders in SENDERS:
        for policy in POLICIES:
            ended = [found.utility[senders.name, policy, mode] for mode in MODES]
            counts = [(one.done, one.held, len(one.stopped)) for one in ended]
            rows.append([senders.name, policy, *(str(n) for three in counts for n in three)])
    runs = next(iter(found.utility.values())).runs
    return (
        f"### The same {runs} tasks without an attack\n\n{_table(head, rows)}\n\n"
        "`done`: what was asked for was shown and what was to be sent left, without a human."
        " `held`: the same, but a message awaits a human. `stopped`: a text, a link or a message"
        " that the task needs was withheld or refused."
    )


def _own_table(found: Results, *, promised: bool) -> str:
    names = dict.fromkeys(one.attack.name for one in found.own if one.attack.promised is promised)
    rows = [[name, *(_cell(found, name, policy) for policy in POLICIES)] for name in names]
    return _table(["Attack", *POLICIES], rows)


def _cell(found: Results, name: str, policy: str) -> str:
    ends = [
        one.end
        for evidence in Evidence
        for one in found.own
        if one.attack.name == name
        and (one.case.evidence, one.case.policy, one.case.mode) == (evidence, policy, MODES[0])
    ]
    return ends[0] if len(set(ends)) == 1 else " / ".join(ends)


def _gated_note(found: Results) -> str:
    gated = [one for one in found.own if one.case.mode == MODES[1]]
    left = sum(one.end == "left" for one in gated)
    return (
        f"In a `{MODES[1]}` mailbox, where nobody approved anything, {left} of these"
        f" {len(gated)} runs ended with a message that left, the guards switched off included."
    )
