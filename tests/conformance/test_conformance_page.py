"""The page says what the suite does: its scenarios, its drivers and its exceptions."""

from __future__ import annotations

from pathlib import Path

from tests.conformance import matrix
from tests.conformance.drivers import DRIVERS

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def test_the_page_holds_the_suites_tables() -> None:
    assert matrix.page_tables() in PAGE.read_text("utf-8"), matrix.page_tables()


def test_every_scenario_has_a_description() -> None:
    told = matrix.scenarios()
    assert all(told.values()), [name for name, said in told.items() if not said]


def test_an_exception_is_of_a_driver_and_a_scenario_and_has_a_reason() -> None:
    told = matrix.scenarios()
    for (driver, scenario), reason in matrix.EXCEPTIONS.items():
        assert driver in DRIVERS
        assert scenario in told
        assert reason.endswith(".")
