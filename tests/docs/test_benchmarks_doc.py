"""The benchmarks page names the parts of scripts/bench, and its tables are complete."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from benchmarks.costs import comparator, metrics, report
from benchmarks.costs.__main__ import PARTS
from benchmarks.costs.agents import find_mail
from benchmarks.costs.dataset import ANSWERED, FACTS, INBOX, build_mailbox
from benchmarks.costs.metrics import Curve, Figure, Part

ROOT = Path(__file__).parents[2]
TEXT = report.PAGE.read_text("utf-8")
ABOUT = {"machine": "2 cores"}
RATIO = Figure("reads", 90.0, "/s", "bare", 100.0, target=0.85, at_least=True)
ALONE = Figure("start", 2.0, "s", target=1.0)
CURVE = Curve("Pages & more", "messages", "ms", {"ours": [(1000, 0.5), (10_000, 30.0)]})
PART = Part("calls", "A tool call", [RATIO, ALONE], {"pages": CURVE}, "On loopback.")


def test_the_page_names_every_part() -> None:
    line = next(line for line in TEXT.splitlines() if "one part:" in line)
    assert line.partition("one part:")[2].split() == list(PARTS)


def test_the_page_and_the_script_name_the_same_comparators() -> None:
    script = (ROOT / "scripts" / "bench").read_text("utf-8")
    for package in (comparator.RETIRED, comparator.AGENTMAIL):
        name, version = package.split()
        assert f"{name}=={version}" in script
        assert re.search(rf"`{name}` {re.escape(version)}", TEXT)


@pytest.mark.parametrize(
    ("figure", "missed"),
    [
        (RATIO, False),
        (replace(RATIO, ours=84.0), True),
        (replace(RATIO, target=None), False),
        (ALONE, True),
        (replace(ALONE, ours=1.0), False),
        (replace(RATIO, target=0.9, at_least=False), False),
        (replace(RATIO, target=0.8, at_least=False), True),
    ],
)
def test_a_target_applies_to_the_ratio_or_the_value(figure: Figure, missed: bool) -> None:
    assert figure.is_missed is missed


def test_saved_figures_are_loaded(tmp_path: Path) -> None:
    metrics.save(PART, ABOUT, quick=False, folder=tmp_path)
    metrics.save(replace(PART, note="Tiny."), ABOUT, quick=True, folder=tmp_path)
    ((part, about),) = metrics.load(PARTS, quick=False, folder=tmp_path)
    assert about == ABOUT
    assert (part.figures, part.note) == (PART.figures, PART.note)
    assert report.render([(part, about)]) == report.render([(PART, ABOUT)])


def test_the_table_says_whether_each_target_is_met() -> None:
    rows = [line for line in report.render([(PART, ABOUT)]).splitlines() if line.startswith("|")]
    assert rows[2] == "| reads | 90 /s | bare | 100 /s | 0.90 | at least 0.85 | yes |"
    assert rows[3] == "| start | 2 s |  |  |  | at most 1 s | **no** |"
    assert report.list_missed([(PART, ABOUT)]) == ["calls: start: 2 s, target at most 1 s"]


def test_a_curve_is_drawn_with_all_its_points(tmp_path: Path) -> None:
    report.write_curve(CURVE, tmp_path / "pages.svg")
    picture = Xml.parse(tmp_path / "pages.svg").getroot()
    points = picture.findall("{*}circle")
    assert len(points) == 2
    heights = [float(point.attrib["cy"]) for point in points]
    assert heights[0] > heights[1]


def test_every_fact_of_the_job_is_in_its_mail() -> None:
    mails = build_mailbox()
    newest = mails[-INBOX:]
    assert len({mail.subject for mail in newest}) == INBOX
    for subject, facts in FACTS.items():
        mail = find_mail(mails, subject)
        assert mail in newest
        thread = [sent for sent in mails if sent.subject.endswith(subject)]
        for fact in facts:
            assert any(fact in f"{sent.fresh}{sent.html}" for sent in thread), (subject, fact)
    assert set(ANSWERED) <= set(FACTS)
