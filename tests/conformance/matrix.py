"""The matrix: which scenario went how in which framework, of the suite's own reports."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import Any

from tests.conformance.drivers import DRIVERS

PROPERTY = "conformance"

SUITES = (
    *("test_conformance_scenarios", "test_conformance_guard", "test_conformance_taint"),
    "test_conformance_guarded",
)
"""The modules of the scenarios, in the order of the table."""

_NOT_OURS = "An MCP client guards the tools of other servers by its framework's toolkit."
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("mcp-http", f"guarded_tool_{name}"): _NOT_OURS
    for name in ("before_mail", "after_unproven_mail", "user_words", "trusted_data")
}
"""What a framework cannot do, and why: (driver, scenario) -> reason."""

Cells = dict[tuple[str, str], str]


def outcomes(stats: dict[str, list[Any]]) -> Cells:
    """Read the cells out of a terminal reporter's reports, also those of xdist's workers."""
    cells: Cells = {}
    for kind, word in (("passed", "ok"), ("skipped", "—"), ("failed", "FAIL"), ("error", "FAIL")):
        for report in stats.get(kind, ()):
            for name, value in getattr(report, "user_properties", ()):
                if name == PROPERTY:
                    cells[value[0], value[1]] = word
    return cells


def scenarios() -> dict[str, str]:
    """Return what each scenario is, by name, in the suite's order."""
    suites = [importlib.import_module(f"tests.conformance.{name}") for name in SUITES]
    return {
        name.removeprefix("test_"): (value.__doc__ or "").strip()
        for suite in suites
        for name, value in vars(suite).items()
        if name.startswith("test_")
    }


def rows(
    names_of_scenarios: Iterable[str], cells: Cells, names: Sequence[str] = tuple(DRIVERS)
) -> list[list[str]]:
    """Return the table's rows of these drivers, its head first; an exception bears its number."""
    notes = list(dict.fromkeys(EXCEPTIONS.values()))
    table = [["scenario", *names]]
    for scenario in names_of_scenarios:
        row = [scenario]
        for driver in names:
            reason = EXCEPTIONS.get((driver, scenario))
            word = cells.get((driver, scenario), " ")
            row.append(f"no [{notes.index(reason) + 1}]" if reason else word)
        table.append(row)
    return table


def footnotes() -> list[str]:
    """Return the reasons, numbered as the table's cells are."""
    notes = dict.fromkeys(EXCEPTIONS.values())
    return [f"[{number}] {reason}" for number, reason in enumerate(notes, 1)]


def show(terminalreporter: Any) -> None:
    """Print the matrix of what ran, in this process or in others."""
    cells = outcomes(terminalreporter.stats)
    if not cells:
        return
    terminalreporter.section("conformance")
    ran = {scenario for _, scenario in cells}
    # The drivers of a framework that has its own environment are skipped in all scenarios.
    here = {driver for (driver, _), word in cells.items() if word != "—"}
    names = [driver for driver in DRIVERS if driver in here]
    table = rows([scenario for scenario in scenarios() if scenario in ran], cells, names)
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    for row in table:
        words = [word.ljust(width) for word, width in zip(row, widths, strict=True)]
        terminalreporter.write_line("  ".join(words).rstrip())
    for note in footnotes():
        terminalreporter.write_line(note)


def page_tables() -> str:
    """Return what `docs/conformance.md` says of the suite, where every scenario holds."""
    descriptions = scenarios()
    cells = {(driver, scenario): "ok" for driver in DRIVERS for scenario in descriptions}
    head, *body = rows(descriptions, cells)
    ways = ["Scenario", *(f"{kind.framework} `{kind.way}`" for kind in DRIVERS.values())]
    lines = [_line(ways), _line(["---"] * len(head))]
    lines += [_line([f"`{row[0]}`", *row[1:]]) for row in body]
    lines += ["", *footnotes(), *([""] if EXCEPTIONS else [])]
    lines += ["| Scenario | What happens |", "| --- | --- |"]
    lines += [_line([f"`{name}`", description]) for name, description in descriptions.items()]
    return "\n".join(lines)


def _line(words: Iterable[str]) -> str:
    return f"| {' | '.join(words)} |"
