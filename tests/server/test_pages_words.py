"""The page's words: every state has its own, and proof is what an agent's label says."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import pytest

from multimail.trust import Authentication, Label, assess
from multimail.trust.text import is_invisible
from multimail_server.oversight import State
from multimail_server.pages import formatting as words
from multimail_server.pages.formatting import reveal

_KINDS = {
    Label.FAILED: "bad",
    Label.AUTHENTICATED: "good",
    Label.AUTHENTICATED_PATH: "weak",
    Label.UNKNOWN: "weak",
    Label.UNAUTHENTICATED: "weak",
}
_RESULTS = ("pass", "fail", "temperror", "none")


@pytest.mark.parametrize("state", State)
def test_every_state_has_words_of_its_own(state: State) -> None:
    assert state in words._STATES


def test_scheduled_mail_awaiting_a_decision_is_marked() -> None:
    assert words.state(State.SCHEDULED) != words.state(State.SCHEDULED_FIRST)


def _evidence() -> list[dict[str, Any]]:
    made = []
    for dkim, aligned, spf, policy in itertools.product(
        _RESULTS, (True, False), _RESULTS, ("", "none", "reject")
    ):
        passes = (dkim == "pass" and aligned) or spf == "pass"
        dmarc = {"result": "pass" if passes else "fail", "domain": "a.example", "policy": policy}
        made.append(
            {
                "dkim": [{"result": dkim, "domain": "a.example", "aligned": aligned}],
                "spf": {"result": spf, "domain": "a.example", "aligned": True},
                "dmarc": dmarc if policy else {"result": "none"},
            }
        )
    return [*made, {"structure": ["From occurs 2 times"]}, {}]


def test_reviewer_and_agent_see_the_same_label() -> None:
    for evidence in _evidence():
        label = assess(Authentication.model_validate(evidence)).label
        assert words.sender_evidence(evidence).level == _KINDS[label], evidence


def test_the_approver_is_shown_every_character_that_is_removed_for_the_agent() -> None:
    removed = [chr(code) for code in range(sys.maxunicode + 1) if is_invisible(chr(code))]
    assert "\U0001d159" in removed
    assert not [character for character in removed if reveal(character) == character]
    assert words.find_invisible(["a\U0001d159b"])[0].code == "U+1D159"
