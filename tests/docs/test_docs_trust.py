"""The trust page: its table and caps match the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from multimail.trust import OperationKind, PolicyName, Tier, Treatment, TrustPolicy
from multimail.trust.decisions import get_action, get_treatment
from multimail.trust.reasons import REASONS

PAGE = (Path(__file__).parents[2] / "docs" / "trust.md").read_text("utf-8")
ROWS = {
    OperationKind.REPLY: "a reply to the address in From",
    OperationKind.INTRODUCE: "mail to an address that only mail supplied",
    OperationKind.CHANGE: "any other mail or contact after it was shown",
    OperationKind.INTERNAL: "a short tag on a message that was opened",
    OperationKind.WITHDRAW: "a withdrawal after it was shown",
}
SHOWN = {
    Treatment.MARKED: "marked",
    Treatment.DEFANGED: "links defanged",
    Treatment.LINKS_REMOVED: "links removed",
    Treatment.WITHHELD: "withheld",
}


def rows() -> Iterator[str]:
    """Return the table's rows as the code has them."""
    policies: tuple[PolicyName, ...] = ("standard", "strict")
    for policy in policies:
        yield _row(policy, "its text", [SHOWN[get_treatment(policy, tier)] for tier in Tier])
        for row, words in ROWS.items():
            actions = [get_action(policy, row, tier).replace("allow", "by mode") for tier in Tier]
            yield _row(policy, words, actions)


def _row(*cells: str | list[str]) -> str:
    flat = [text for cell in cells for text in ([cell] if isinstance(cell, str) else cell)]
    return f"| {' | '.join(flat)} |"


def test_the_table_matches_the_code() -> None:
    table = PAGE.partition("<!-- table -->")[2].partition("<!-- end of table -->")[0]
    assert table.strip().splitlines()[2:] == list(rows())


def test_the_caps_match_the_code() -> None:
    policy = TrustPolicy()
    assert f"{policy.sends_per_session} sends in one" in PAGE
    assert f"{policy.sends_per_thread} in one thread" in PAGE
    assert f"once {policy.free_per_address} such messages went to one address" in PAGE
    assert f"or {policy.free_per_organisation} to one organisation" in PAGE


def test_the_page_has_every_reason() -> None:
    table = PAGE.partition("<!-- reasons -->")[2].partition("<!-- end of reasons -->")[0]
    rows = [
        f"| `{code}` | {reason.model} | {reason.approver} |".replace("{}", "…")
        for code, reason in REASONS.items()
    ]
    assert table.strip().splitlines()[2:] == rows
