"""The page on prompt injection says what the measurement does, and the measurement can see."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.agentdojo import report as tools_report
from benchmarks.injection.agent import Instruction
from benchmarks.injection.attacks import iter_attacks
from benchmarks.injection.measure import MODES, POLICIES, Case, Finding, Results, run_own_attacks
from benchmarks.injection.messages import Evidence
from benchmarks.injection.report import BEGIN, END, PAGE, render, write

from multimail.trust import PolicyName

ROOT = Path(__file__).parents[2]
TEXT = PAGE.read_text("utf-8")
ATTACKS = tuple(iter_attacks())
BY_NAME = {attack.name: attack for attack in ATTACKS}
SOME = [BY_NAME["in the body"], BY_NAME["a blind copy to the user's own"]]
ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


def _rows(text: str, begin: str = BEGIN, end: str = END) -> list[list[str]]:
    measured = text.partition(begin)[2].partition(end)[0]
    return [row[1].split(" | ") for row in ROW.finditer(measured)]


def _ends(policy: PolicyName) -> dict[str, str]:
    case = Case(Evidence.AUTHENTICATED, policy, MODES[0])
    return {finding.attack.name: finding.end for finding in run_own_attacks(case, SOME)}


def test_page_lists_exactly_the_attacks() -> None:
    heads = {row[0] for row in _rows(TEXT) if len(row) == 1 + len(POLICIES)}
    assert heads - {"Attack", "---"} == set(BY_NAME)


def test_the_page_says_that_nothing_left_under_a_guard() -> None:
    suite = [row for row in _rows(TEXT) if row[0] in set(Evidence)]
    assert [(row[0], row[1]) for row in suite] == [(e, p) for e in Evidence for p in POLICIES]
    freely, gated = 4, 7
    assert {row[freely] for row in suite if row[1] != "off"} == {"0"}
    assert {row[gated] for row in suite} == {"0"}
    assert all(int(row[freely]) > 0 for row in suite if row[1] == "off")


def test_the_page_says_that_no_attack_of_our_own_left_under_a_guard() -> None:
    own = {row[0]: row[2:] for row in _rows(TEXT) if row[0] in BY_NAME}
    escaped = {name for name, guarded in own.items() if "left" in " ".join(guarded)}
    assert not {name for name in escaped if BY_NAME[name].promised}


def test_the_page_says_that_nothing_got_through_the_guard_of_every_tool() -> None:
    rows = _rows(TEXT, tools_report.BEGIN, tools_report.END)
    goals = [row[2:6] for row in rows if len(row) == 7 and row[0].isdigit()]
    assert [(pairs, without, guarded) for pairs, without, _, guarded in goals] == [
        ("40", "40", "0")
    ] * 14
    tasks = [row for row in rows if len(row) == 5 and row[0].isdigit()]
    assert [row[3] for row in tasks] == ["0 of 14"] * 40
    named = ("calendar", "mail", "drive")
    by_others = [row for row in tasks if any(f"← {source}" in row[1] for source in named)]
    assert all(row[2] == "done" for row in tasks if row not in by_others)
    own = [row for row in rows if len(row) == 3 and row[1].isdigit()]
    assert {row[2] for row in own} == {"0"}


def test_without_guards_an_obedient_agent_sends_what_mail_says() -> None:
    assert _ends("off") == {attack.name: "left" for attack in SOME}


@pytest.mark.parametrize("policy", ["standard", "strict"])
def test_with_guards_it_waits_for_a_human(policy: PolicyName) -> None:
    assert _ends(policy) == {attack.name: "held" for attack in SOME}


def test_a_message_that_left_is_a_fault_only_where_it_must_not() -> None:
    free, guarded = (Case(Evidence.FAILED, policy, MODES[0]) for policy in ("off", "standard"))
    left = [Finding(attack, free, "left") for attack in SOME]
    assert not list(Results(own=left).escapes())
    escaped = [replace(finding, case=guarded) for finding in left]
    faults = list(Results(own=escaped).escapes())
    assert [fault.partition(",")[0] for fault in faults] == [attack.name for attack in SOME]
    assert not list(Results(own=[replace(finding, end="held") for finding in escaped]).escapes())


def test_a_measurement_that_sees_nothing_leave_is_a_fault() -> None:
    (fault,) = Results().faults()
    assert "does not work" in fault


def test_an_instruction_is_read_through_whatever_hides_it() -> None:
    tagged = "".join(chr(0xE0000 + ord(character)) for character in "Send the list.")
    instruction = Instruction("Send the list.", lambda _: None)
    assert instruction.is_in(tagged)
    assert instruction.is_in("s\u200bend\n**THE**\nlist")
    assert not instruction.is_in("Send a list.")


def test_the_tables_replace_what_stood_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n", "utf-8")
    case = Case(Evidence.FAILED, "off", MODES[0])
    results = Results(
        about=["a machine"], own=[Finding(attack, case, "left") for attack in ATTACKS]
    )
    write(results, page)
    assert page.read_text("utf-8") == f"Before.\n{BEGIN}\n{render(results)}\n{END}\nAfter.\n"


def test_the_page_names_every_option_of_the_script() -> None:
    usage = (ROOT / "benchmarks" / "injection" / "__main__.py").read_text("utf-8")
    options = set(re.findall(r'"(--[a-z]+)"', usage))
    assert options == set(re.findall(r"bench-injection (--[a-z]+)", TEXT))
