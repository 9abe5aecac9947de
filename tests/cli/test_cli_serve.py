"""`multimail serve` prints its address, serves, keeps its data and stops on a signal."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from docs_site import settings_table
from tests.support.postgres import PASSWORD, QUOTED

from multimail_cli.serve import build_config
from multimail_server import ServerConfig
from multimail_server.testing import VirtualClock

PROGRAM = [sys.executable, "-c", "from multimail_cli.main import run; run()", "serve"]
FREE = ("--port", "0", "--smtp-port", "0")


@contextmanager
def serving(*options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*PROGRAM, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_banner(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    banner: dict[str, Any] = json.loads(process.stdout.readline())
    return banner


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_one_line_of_json_says_that_it_is_ready_and_a_signal_ends_it(end: signal.Signals) -> None:
    with serving(*FREE, "--json") as process:
        banner = read_banner(process)
        assert set(banner) == {"url", "smtp", "mailbox", "mailboxes", "keys"}
        assert set(banner["mailbox"]) == {"id", "address"}
        assert [box["source"] for box in banner["mailboxes"]] == ["smtp"]
        assert set(banner["keys"]) == {"agent", "reviewer", "admin"}
        headers = {"Authorization": f"Bearer {banner['keys']['agent']}"}
        mailboxes = httpx.get(f"{banner['url']}/v1/mailboxes", headers=headers).json()
        assert mailboxes["mailboxes"][0]["address"] == banner["mailbox"]["address"]
        process.send_signal(end)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0
        assert (out, err) == ("", "")


def test_banner_shows_what_to_copy() -> None:
    with serving(*FREE) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "Ctrl-C" not in lines[-1]:
            line = process.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    banner = "".join(lines)
    assert "in memory" in banner
    assert "--data multimail.sqlite3" in banner
    assert re.search(r"export MULTIMAIL_API_URL=http://127\.0\.0\.1:\d+$", banner, re.MULTILINE)
    assert re.search(r"export MULTIMAIL_API_KEY=mm_test_[\w-]+", banner)
    assert "export MULTIMAIL_REVIEWER_KEY=mm_test_" in banner


def test_the_log_is_one_json_object_a_line() -> None:
    relay = "smtp://127.0.0.1:9"
    options = ("--live", "--relay", relay, "--mode", "autonomous", "--log-format", "json")
    with serving(*FREE, "--json", *options) as process:
        banner = read_banner(process)
        key = {"Authorization": f"Bearer {banner['keys']['agent']}"}
        mail = {"to": "ann@example.org", "subject": "S", "body": "B"}
        httpx.post(f"{banner['url']}/send_email", json=mail, headers=key).raise_for_status()
        assert process.stderr is not None
        line = json.loads(process.stderr.readline())
    assert (line["level"], line["logger"]) == ("warning", "multimail_server.services.context")
    assert "the relay takes none" in line["message"]
    assert "ann@" not in line["message"]


def test_a_data_file_keeps_the_mailbox_and_shows_the_keys_once(tmp_path: Path) -> None:
    data = str(tmp_path / "kept.sqlite3")
    banners = []
    for _ in range(2):
        with serving(*FREE, "--data", data, "--json") as process:
            banners.append(read_banner(process))
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
    first, second = banners
    assert second["mailbox"] == first["mailbox"]
    assert first["keys"] is not None
    assert second["keys"] is None


def test_a_port_in_use_is_a_clear_error(multimail: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = multimail("serve", "--port", port, "--smtp-port", "0", "--json")
        assert ran.status == 1
        assert port in ran.error["error"]
        assert "--port" in ran.error["error"]
        human = multimail("serve", "--port", "0", "--smtp-port", port)
    assert human.status == 1
    assert "--smtp-port" in human.err
    assert human.err.count("\n") == 1


def test_a_virtual_clock_seeded_keys_and_mail_make_two_runs_alike(tmp_path: Path) -> None:
    mail = tmp_path / "mail.json"
    mail.write_text('{"messages": [{"from": "ann@example.org", "subject": "Hello", "body": "?"}]}')
    options = ("--clock", "virtual:2030-01-01T00:00:00Z", "--seed", "7", "--seed-keys")
    runs = []
    for _ in range(2):
        with serving(*FREE, *options, "--seed-mail", str(mail), "--json") as process:
            banner = read_banner(process)
            admin = {"Authorization": f"Bearer {banner['keys']['admin']}"}
            url = banner["url"]
            step = {"seconds": 60}
            moved = httpx.post(f"{url}/v1/test/clock/advance", json=step, headers=admin).json()
            path = f"{url}/v1/mailboxes/{banner['mailbox']['id']}/emails"
            rows = httpx.get(path, headers=admin).json()["emails"]
        runs.append((banner["keys"], banner["mailbox"], moved, rows))
    assert runs[0] == runs[1]
    assert runs[0][2] == {"now": "2030-01-01T00:01:00.000Z"}
    assert [row["subject"] for row in runs[0][3]] == ["Hello"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--clock", "sundial"), "virtual:2026-01-01T00:00:00Z"),
        (("--seed-keys",), "--seed"),
        (("--pending-ttl", "0"), "--pending-ttl"),
        (("--seed-mail", "missing.eml"), "missing.eml"),
    ],
)
def test_a_comfort_that_cannot_be_had_is_a_clear_error(
    multimail: Callable[..., Any], options: tuple[str, ...], message: str
) -> None:
    ran = multimail("serve", *FREE, *options)
    assert ran.status != 0
    assert message in ran.err.replace("\n", "").replace("│", "").replace("  ", "")


def test_database_keeps_keys_and_its_password_is_never_shown(database_url: str) -> None:
    with serving(*FREE, "--json", "--database", database_url) as process:
        first = read_banner(process)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30) == ("", "")
    with serving(*FREE, MULTIMAIL_DATABASE_URL=database_url) as process:
        assert process.stdout is not None
        banner = "".join(iter(process.stdout.readline, "Press Ctrl-C to stop.\n"))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert "in PostgreSQL" in banner
    assert "only their hashes are stored" in banner
    assert first["keys"]["agent"] not in banner
    assert not any(secret in banner + err for secret in (PASSWORD, QUOTED))


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("", "postgresql://127.0.0.1:1/mail cannot be used"),
        ("import sys; sys.modules['psycopg'] = None", 'pip install "multimail[server,postgres]"'),
    ],
)
def test_a_database_that_cannot_be_had_is_said_in_one_line(before: str, words: str) -> None:
    url = f"postgresql://multimail:{QUOTED}@127.0.0.1:1/mail"
    program = f"{before}\nfrom multimail_cli.main import run; run()"
    ran = subprocess.run(
        [sys.executable, "-c", program, "serve", *FREE, "--database", url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert words in ran.stderr
    assert not any(secret in ran.stderr for secret in (PASSWORD, QUOTED))


def test_a_database_of_the_environment_is_not_passed_over(tmp_path: Path) -> None:
    environment = {**os.environ, "MULTIMAIL_DATABASE_URL": "postgresql://127.0.0.1:1/mail"}
    ran = subprocess.run(
        [*PROGRAM, "--data", str(tmp_path / "mail.db")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert "MULTIMAIL_DATABASE_URL" in ran.stderr


def test_options_become_settings_and_the_others_keep_their_defaults() -> None:
    typed = {"port": 0, "pending_ttl": 5, "mode": "monitored", "seed_keys": True, "host": None}
    config = build_config({**typed, "clock": "virtual"}, message_bytes=1)
    assert isinstance(config.clock, VirtualClock)
    assert config == ServerConfig(
        port=0,
        pending_ttl=timedelta(seconds=5),
        oversight_mode="monitored",
        seeded_keys=True,
        message_bytes=1,
        clock=config.clock,
    )


def test_the_documented_settings_are_the_declared_ones() -> None:
    page = settings_table.find_page().read_text("utf-8")
    assert settings_table.render() in page, "run python -m docs_site.settings_table"
