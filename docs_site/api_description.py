"""Writes docs/openapi.json and the tables of docs/parity.md from the server's routes.

scripts/openapi runs it; --check writes nothing and says how the committed files differ.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from docs_site.markdown import table
from docs_site.openapi_diff import Change, compare
from multimail_server.api.openapi import describe
from multimail_server.api.routes import API_ROUTES
from multimail_server.api.routing import Route
from multimail_server.pages.lists import PAGE_ROUTES
from multimail_server.testing.routes import ALL_ROUTES

DOCS = Path(__file__).parents[1] / "docs"
OPENAPI, PARITY = DOCS / "openapi.json", DOCS / "parity.md"
_TABLE = re.compile(r"<!-- table: ([^>]+) -->\n.*?<!-- end -->", re.DOTALL)


def build_openapi() -> dict[str, Any]:
    """Return the document without the version, which a release changes."""
    document = describe(ALL_ROUTES)
    document["info"]["version"] = "1"
    return document


def encode_openapi(document: dict[str, Any]) -> str:
    """Return the document as it is committed."""
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def find_changes() -> list[Change]:
    """Return how the routes differ from the committed document."""
    return compare(json.loads(OPENAPI.read_text("utf-8")), build_openapi())


def build_parity(page: str) -> str:
    """Return docs/parity.md with its tables regenerated from the routes."""
    return _TABLE.sub(
        lambda match: f"<!-- table: {match[1]} -->\n{_build_table(match[1])}\n<!-- end -->", page
    )


def _build_table(section: str) -> str:
    if section == "pages":
        return table(
            ("request", "what it does"), ((_request(route), route.summary) for route in PAGE_ROUTES)
        )
    if section == "embedded":
        routes = [
            route for route in ALL_ROUTES if not route.client and route.section != "Flat paths"
        ]
        return table(
            ("request", "source", "what it does"),
            ((_request(route), route.source, route.summary) for route in routes),
        )
    if section == "Flat paths":
        routes = [
            route
            for route in API_ROUTES
            if route.section == section and not route.path.startswith("/v1/")
        ]
        return table(
            ("request", "where the pages differ, or say nothing"),
            ((_request(route), route.note) for route in routes),
        )
    routes = [route for route in API_ROUTES if route.section == section and route.client]
    return table(
        ("client method", "request", "source", "where the sources differ"),
        (
            (", ".join(f"`{name}`" for name in route.client), _request(route), route.source,
             route.note)
            for route in routes
        ),
    )  # fmt: skip


def _request(route: Route) -> str:
    return f"{route.method} {route.openapi_path}"


def main(arguments: list[str]) -> int:
    """Write both files, or compare them; return the exit status."""
    changes = find_changes() if OPENAPI.exists() else []
    for change in changes:
        print(change)
    openapi, parity = encode_openapi(build_openapi()), build_parity(PARITY.read_text("utf-8"))
    if "--check" not in arguments:
        OPENAPI.write_text(openapi, "utf-8")
        PARITY.write_text(parity, "utf-8")
        return 0
    stale = [path for path, text in ((OPENAPI, openapi), (PARITY, parity))
             if path.read_text("utf-8") != text]  # fmt: skip
    for path in stale:
        print(f"docs/{path.name} does not match the routes: run scripts/openapi")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
