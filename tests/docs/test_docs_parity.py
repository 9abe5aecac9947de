"""The parity tables: every client method has a row, and "served" is correct."""

from __future__ import annotations

import re
from pathlib import Path

from multimail._methods import ClientMethod, Methods
from multimail_server.api.routes import ALL, PAGES

PAGE = (Path(__file__).parents[2] / "docs" / "parity.md").read_text()
ROW = re.compile(r"^\| (`[^|]+`) \| ([A-Z]+) (\S+) \| ([^|]+) \| (yes|no) \|", re.MULTILINE)
ALONE = re.compile(r"^\| ([A-Z]+) (/\S*) \|", re.MULTILINE)


def _shape(method: str, path: str) -> tuple[str, str]:
    return method, re.sub(r"\{[^}]+\}", "{}", path)


SERVED = {_shape(spec.method, spec.path) for spec in ALL}


def test_every_client_method_has_a_row() -> None:
    rows = [name for row in ROW.finditer(PAGE) for name in re.findall(r"`(\w+)`", row[1])]
    methods = {name for name, value in vars(Methods).items() if isinstance(value, ClientMethod)}
    assert sorted(rows) == sorted(methods)


def test_served_means_that_the_server_has_the_route() -> None:
    wrong = [
        row[0]
        for row in ROW.finditer(PAGE)
        if (_shape(row[2], row[3]) in SERVED) is not (row[5] == "yes")
    ]
    assert not wrong


def test_every_route_of_the_server_is_on_the_page() -> None:
    named = {_shape(row[2], row[3]) for row in ROW.finditer(PAGE)}
    named |= {_shape(row[1], row[2]) for row in ALONE.finditer(PAGE)}
    assert not SERVED - named


def test_every_page_for_people_is_on_the_page() -> None:
    named = {_shape(row[1], row[2]) for row in ALONE.finditer(PAGE)}
    assert not {_shape(spec.method, spec.path) for spec in PAGES} - named
