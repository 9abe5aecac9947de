"""What all tests share: markers, Hypothesis profiles, cheap clients, Redis and PostgreSQL."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings
from tests.conformance import matrix
from tests.support import markers, speed
from tests.support.postgres import Cluster, missing
from tests.support.redis_server import RedisServer

pytest_plugins = ["tests.support.expected_skips"]

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "explore")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    markers.register(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its directory; refuse two with one id, of which xdist would run one."""
    markers.mark(items)
    ids = Counter(item.nodeid for item in items)
    if twice := [nodeid for nodeid, times in ids.items() if times > 1]:
        raise pytest.UsageError(f"These ids stand for more than one test: {', '.join(twice)}.")


@pytest.fixture(scope="session", autouse=True)
def servers_for_tests() -> Iterator[None]:
    """Clients share TLS contexts, servers stop when asked to, approvals wait for deliveries."""
    with pytest.MonkeyPatch.context() as patch:
        speed.share_tls_contexts(patch)
        speed.stop_servers_promptly(patch)
        speed.wait_longer(patch)
        yield


@pytest.fixture(autouse=True)
def new_conversation() -> Iterator[None]:
    """Toolkits without a conversation share the process's: a test must not taint the next."""
    yield
    if session := sys.modules.get("multimail.tools._session"):
        session._PROCESS_STORE.reset(session.get_process_conversation())


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
