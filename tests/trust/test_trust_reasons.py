"""The reasons: each code that a decision can have is in the one table, with both sentences."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import multimail
from multimail.trust import Action, Label
from multimail.trust.automation import SIGNS
from multimail.trust.daily_caps import guess_organisation
from multimail.trust.decisions import Finding
from multimail.trust.reasons import REASONS, describe_for_approver, describe_for_model

CODE = Path(multimail.__file__).parent
MAIL_LABELS = [label for label in Label if label not in (Label.OWN, Label.AUTHENTICATED)]


def list_codes() -> Iterator[str]:
    """Yield the codes in the code: those written out in calls, and those built from a label."""
    for file in CODE.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            name = call.func if isinstance(call, ast.Call) else None
            called = getattr(name, "attr", getattr(name, "id", ""))
            if isinstance(call, ast.Call) and called in ("Finding", "as_refusal"):
                place = 1 if called == "Finding" else 0
                code = call.args[place] if len(call.args) > place else None
                if isinstance(code, ast.Constant):
                    yield str(code.value)
    for label in MAIL_LABELS:
        yield from (f"sender_{label}", f"tainted_{label}")
    yield from SIGNS
    yield from (f"cap_per_{what}" for what in ("session", "thread", "address", "organisation"))
    yield from ("sender_not_listed", "tainted_not_listed")


def test_every_code_has_both_sentences_and_every_sentence_a_code() -> None:
    assert set(list_codes()) == set(REASONS)
    for code, reason in REASONS.items():
        assert reason.approver[0].isupper(), code
        assert reason.approver.endswith("."), code
        assert not reason.model.endswith("."), code
    assert len({reason.approver for reason in REASONS.values()}) == len(REASONS)


def test_a_person_is_told_the_names_and_a_model_is_not() -> None:
    finding = Finding(
        Action.HOLD, "recipient_from_mail", "2 addresses", ("a@x.example", "b@y.example")
    )
    assert finding.reason == "2 addresses may come only from mail"
    assert finding.approver_reason.endswith(": a@x.example, b@y.example.")
    assert describe_for_approver("sender_failed") == "The mail looks forged."
    assert describe_for_model("of_a_newer_server", "a program sent it") == "a program sent it"


def test_an_organisation_is_guessed_not_too_small() -> None:
    guesses = {"a.b.shop.example": "shop.example", "a.shop.co.uk": "shop.co.uk", "x.io": "x.io",
               "co.uk": "co.uk", "a.b.de": "b.de", "": ""}  # fmt: skip
    assert {domain: guess_organisation(domain) for domain in guesses} == guesses
