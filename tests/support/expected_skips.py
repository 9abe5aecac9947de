"""Pytest plugin: a test that is skipped for a reason that isn't listed here fails the run.

An unexpected skip hides a test: a package that isn't installed, a file that moved.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

EXPECTED = (
    # Frameworks that have environments of their own.
    r"has its own environment: scripts/test-apart",
    r"is not in the environment ",
    # What a framework's form cannot do: a footnote of the conformance table.
    r"^An MCP client guards the tools of other servers by its framework's toolkit",
    # Programs that a contributor may not have; .ci/run installs them.
    r"No browser on PATH",
    r"redis-server is not installed",
    r"dovecot is not installed",
    r"PostgreSQL's initdb is not installed",
    r"(postfix|haproxy|pgbouncer) is not installed",
    r"Postfix is started by root alone",
    r"npm is not installed",
    r"systemd is not installed",
    # Too large to install for one test.
    r"needs pip install sentence-transformers",
    # Platforms.
    r"POSIX",
    r"needs Linux's prlimit",
    r"openssl cannot make a certificate here",
)
"""Regular expressions; a reason is expected if one of them is found in it."""


def is_expected(reason: str) -> bool:
    """Return whether a skip for this reason is expected."""
    return any(re.search(pattern, reason) for pattern in EXPECTED)


class SkipReport:
    """Collects the skips of a run, of tests and of whole modules, in all processes."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def add(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        """Note a report's skip; an expected failure isn't one."""
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            self._reasons[report.nodeid] = str(reason).removeprefix("Skipped: ")

    def list_unexpected(self) -> list[str]:
        """Return a line for each unexpected skip."""
        return [f"{test}: {why}" for test, why in self._reasons.items() if not is_expected(why)]

    def count_expected(self) -> Counter[str]:
        """Return how many tests each expected reason skipped."""
        return Counter(filter(is_expected, self._reasons.values()))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.add(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.add(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        if self.list_unexpected() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        yield

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for reason, count in self.count_expected().items():
            terminalreporter.write_line(f"skipped as expected, {count}: {reason}")
        for line in self.list_unexpected():
            terminalreporter.write_line(f"UNEXPECTED SKIP {line}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Register the report, in the process that sees all tests."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipReport(), "multimail-skips")
