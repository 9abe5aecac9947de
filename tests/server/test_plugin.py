"""The pytest plugin: the fixture, its marker, and that it costs nothing unused."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from multimail_server.testing.server import ServerUnderTest


def test_the_fixture_is_a_running_server(multimail_server: ServerUnderTest) -> None:
    multimail_server.deliver("Hello there.", subject="Greetings", sender="ann@example.com")
    mail = multimail_server.wait_for_message("Greetings", timeout=5)
    assert mail["from"] == "ann@example.com"
    with multimail_server.http("agent") as agent:
        reply = agent.post(
            f"/v1/mailboxes/{multimail_server.mailbox.id}/reply/{mail['id']}",
            json={"markdown": "Hello *Ann*"},
        )
    assert reply.json()["held"] is True
    assert multimail_server.outbox() == []


def test_loading_the_plugin_imports_no_server() -> None:
    program = (
        "import sys, multimail_server.testing\n"
        "heavy = {'starlette', 'uvicorn', 'httpx', 'pydantic', 'aiosmtpd', 'dns', 'sqlite3'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.multimail_server(domain="shop.example", mode="autonomous", clock="virtual", seed=3)
def test_the_marker_chooses_domain_mode_and_clock(multimail_server: ServerUnderTest) -> None:
    assert multimail_server.mailbox.address == "agent@shop.example"
    with multimail_server.http("agent") as agent:
        (box,) = agent.get("/v1/mailboxes").json()["mailboxes"]
    assert box["oversight_mode"] == "autonomous"
    assert multimail_server.advance(1) == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)


@pytest.mark.multimail_server(mode="monitored", clock="virtual:2031-01-01")
class TestMarkers:
    @pytest.mark.multimail_server(mode="read_only", mailbox="me@multimail.test")
    def test_the_nearest_marker_wins_and_the_rest_stays(
        self, multimail_server: ServerUnderTest
    ) -> None:
        config = multimail_server.config
        assert (config.oversight_mode, config.mailbox_address) == ("read_only", "me@multimail.test")
        assert config.clock.now().year == 2031


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("clocks='virtual'", "there is no option 'clocks'; the options are"),
        ("clock='sundial'", "'sundial'"),
    ],
)
def test_a_wrong_option_says_what_there_is(tmp_path: Path, options: str, message: str) -> None:
    (tmp_path / "test_it.py").write_text(
        f"import pytest\n\n@pytest.mark.multimail_server({options})\n"
        "def test_it(multimail_server):\n    pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stdout
    assert message in done.stdout
