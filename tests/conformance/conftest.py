"""Fixtures of the conformance suite, and the matrix at its end."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.conformance.driver import Driver
from tests.conformance.drivers import DRIVERS
from tests.conformance.matrix import EXCEPTIONS, PROPERTY
from tests.frameworks.apart import marks
from tests.tools.conftest import (  # noqa: F401
    auto_box,
    bare_environment,
    box,
    create_mailbox,
    key_pair,
    server_fixture,
    signed,
)

# Before a framework is imported, which only the drivers do, when they run.
os.environ.update(
    CREWAI_DISABLE_TELEMETRY="true",
    OTEL_SDK_DISABLED="true",
    CREWAI_TRACING_ENABLED="false",
    AGNO_TELEMETRY="false",
)
for _name in [name for name in os.environ if name.startswith(("LANGSMITH_", "LANGCHAIN_"))]:
    del os.environ[_name]


@pytest.fixture(scope="session")
def crew_storage(tmp_path_factory: pytest.TempPathFactory) -> None:
    """CrewAI keeps files; not in the developer's home."""
    os.environ["CREWAI_STORAGE_DIR"] = str(tmp_path_factory.mktemp("crewai"))


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(name, marks=[pytest.mark.xdist_group(kind.framework), *marks(kind.framework)])
        for name, kind in DRIVERS.items()
    ],
)
def driver_name(request: pytest.FixtureRequest) -> str:
    """Each scenario runs in each driver; those of one driver run together."""
    return str(request.param)


@pytest.fixture
def driver(
    driver_name: str, crew_storage: None, request: pytest.FixtureRequest
) -> Iterator[Driver]:
    """Return a new driver, and note the cell of the matrix."""
    scenario = request.function.__name__.removeprefix("test_")
    request.node.user_properties.append((PROPERTY, [driver_name, scenario]))
    reason = EXCEPTIONS.get((driver_name, scenario))
    if reason:
        pytest.skip(reason)
    instance = DRIVERS[driver_name]()
    yield instance
    instance.close()
