"""The corpus: what each message is labelled and shown as, through SMTP and each framework."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest
from tests.guards.corpus import every
from tests.guards.corpus_arc import BELIEVED, LISTS
from tests.guards.corpus_case import BANK, CLUB, FIRM, MARK, ORDER, PATH, SHOP, Case
from tests.guards.corpus_runner import FRAMEWORKS, CorpusRunner, without_nonce
from tests.guards.corpus_texts import FILE, JOINED
from tests.tools.support import fenced, outside

from multimail.trust import TrustPolicy

pytestmark = pytest.mark.xdist_group("guards")
_FORGED_MARK = re.compile(r"</?mail 0{32}>")
_NAMED = (BANK, FIRM, SHOP, CLUB, PATH)
LISTING = TrustPolicy(listed=[*_NAMED, *(f"*.{domain}" for domain in _NAMED)])
SEALERS = TrustPolicy(arc_sealers=[LISTS])


def _each(where: Callable[[Case], bool] = lambda case: True) -> pytest.MarkDecorator:
    """Run a test for each case, or for some."""
    chosen = [pytest.param(case, id=case.name) for case in every() if where(case)]
    return pytest.mark.parametrize("case", chosen)


def _real(text: str) -> str:
    """Return a text without the marks that its sender made up."""
    return _FORGED_MARK.sub("", text)


def test_it_holds_the_nineteen_and_many_more() -> None:
    names = Counter(case.name for case in every())
    assert [name for name, count in names.items() if count > 1] == []
    hostile = [case for case in every() if case.hostile]
    honest = [case for case in every() if not case.hostile]
    assert {case.number for case in hostile} >= set(range(1, 20))
    assert len([case for case in hostile if not case.number]) >= 40
    assert len(honest) >= 25
    assert [case.name for case in honest if case.label == "failed"] == []


@_each()
def test_it_is_kept_labelled_by_its_evidence_and_fenced(runner: CorpusRunner, case: Case) -> None:
    text, data = runner.read(case)
    trust, around, inside = data["trust"], outside(_real(text)), fenced(_real(text))
    assert trust["label"] == case.label, trust["reasons"]
    assert [words for words in case.says if words not in "\n".join(trust["reasons"])] == []
    assert trust["standing"] == "new"
    label = case.label.upper() if case.label == "failed" else case.label
    assert f"Sender {label}" in around
    if case.sender is not None:
        assert data["sender"] == case.sender
        assert f"From: {case.sender}\n" in inside
    assert [words for words in case.shows if words not in text] == []
    assert [words for words in case.hides if words in text] == []
    if case.hostile:
        assert MARK not in around
    assert runner.get_raw(case) == case.raw


def test_no_word_of_a_stranger_leaves_the_fence_of_a_listing(runner: CorpusRunner) -> None:
    pages = runner.pages()
    assert len(pages) > 1
    for page in pages:
        assert MARK not in outside(_real(page.text))


@_each(lambda case: case.name.startswith(JOINED))
def test_a_thread_labels_each_of_its_messages(runner: CorpusRunner, case: Case) -> None:
    _, data = runner.read(case)
    thread = runner.call(case, "get_thread", thread_id=data["thread_id"])
    labels = [message["trust"]["label"] for message in thread.data["messages"]]
    assert labels == ["authenticated", case.label]
    assert MARK not in outside(_real(thread.text))


@_each(lambda case: case.name == FILE)
def test_a_file_of_one_who_is_not_proven_is_withheld(runner: CorpusRunner, case: Case) -> None:
    _, data = runner.read(case)
    (name,) = [attachment["name"] for attachment in data["attachments"]]
    answer = runner.call(case, "download_attachment", email_id=data["id"], filename=name)
    assert not answer.ok
    assert ORDER not in answer.text + repr(answer.data)
    assert answer.files == ()


@_each(lambda case: case.label == "failed")
def test_what_failed_is_withheld(runner: CorpusRunner, case: Case) -> None:
    text, data = runner.read(case)
    assert "body is withheld" in outside(_real(text))
    thread = runner.call(case, "get_thread", thread_id=data["thread_id"])
    for shown in (text, repr(data), thread.text, repr(thread.data)):
        assert ORDER not in shown


@_each(lambda case: case.label in ("unauthenticated", "unknown"))
def test_what_is_not_proven_is_withheld_by_a_strict_policy(
    runner: CorpusRunner, case: Case
) -> None:
    text, data = runner.read(case, policy="strict")
    assert "body is withheld" in outside(_real(text))
    assert ORDER not in text + repr(data)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_each_framework_shows_the_same(runner: CorpusRunner, framework: str) -> None:
    odd = {case.name: shown for case in every() if (shown := _difference(runner, framework, case))}
    assert odd == {}


def _difference(runner: CorpusRunner, framework: str, case: Case) -> str:
    """Return what a framework shows of a case, if it is not what the others show."""
    text, data = runner.read(case)
    shown, facts = runner.read(case, framework)
    expected, same = without_nonce(text), without_nonce(shown)
    if "Go on with offset=" in same:  # where results are JSON there is less room
        same = same.partition("\n</mail nonce>")[0]
        expected = expected[: len(same)]
    return "" if same == expected and facts.get("trust", data["trust"]) == data["trust"] else shown


@_each()
def test_an_operators_lists_vouch_only_for_who_is_proven(runner: CorpusRunner, case: Case) -> None:
    _, data = runner.read(case, policy=LISTING)
    trust = data["trust"]
    assert trust["label"] == case.label
    named = data["sender"] in LISTING.listed
    proven = case.label in ("authenticated", "authenticated_path")
    assert trust["standing"] == ("listed" if named and proven else "new")
    if case.label == "failed":
        trust = runner.read(case, policy=SEALERS)[1]["trust"]
        sealed = case.name.startswith(BELIEVED)
        assert trust["label"] == ("unauthenticated" if sealed else "failed")
        assert (f"passed on by {LISTS}" in trust["reasons"]) == sealed


def test_the_corpus_has_mail_that_a_listed_sealer_saves() -> None:
    believed = [case for case in every() if case.name.startswith(BELIEVED)]
    assert believed
    assert {case.label for case in believed} == {"failed"}


def test_a_listing_labels_as_a_reading_does(runner: CorpusRunner) -> None:
    listed = {row["id"]: row["trust"] for page in runner.pages() for row in page.data["emails"]}
    odd = {
        case.name: listed[runner.get_id(case)]
        for case in every()
        if listed[runner.get_id(case)]["label"] != case.label
    }
    assert odd == {}
