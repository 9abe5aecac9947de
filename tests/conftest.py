"""What all tests share: Hypothesis repeats itself in CI, and the end shows what was measured."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from tests.conformance import matrix
from tests.postgres import Cluster, missing
from tests.redis_server import RedisServer

pytest_plugins = ["tests.expected_skips"]

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "explore")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for all tests of a process; each test uses a key prefix of its own."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server for this process's tests; they are skipped where none is installed."""
    if reason := missing():
        pytest.skip(reason)
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def database_url(postgres: Cluster) -> Iterator[str]:
    """The URL, with its password, of an empty PostgreSQL database."""
    url = postgres.new_database()
    yield url
    postgres.drop(url)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the conformance matrix and the sizes of the schemas, from all processes' reports."""
    matrix.show(terminalreporter)
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if str(name).startswith("schema characters"):
                terminalreporter.write_line(f"{name}: {value}")
