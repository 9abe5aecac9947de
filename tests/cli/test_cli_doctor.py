"""`multimail doctor` finds what is broken, says what to do, and is content with what works."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from typing import Any

import httpx

from multimail_cli.doctor import check_installation


def about(ran: Any, name: str) -> dict[str, str]:
    checks = [check for check in ran.data["checks"] if check["about"] == name]
    assert checks, ran.out
    checked: dict[str, str] = checks[0]
    return checked


def test_a_working_set_up_is_found_to_work(cli: Any) -> None:
    ran = cli.inside("doctor", "--json")
    assert ran.status == 0, ran.out
    assert ran.data["ok"] is True
    assert about(ran, "key")["detail"] == "mm_test_… from MULTIMAIL_API_KEY"
    assert about(ran, "url")["detail"].endswith("from MULTIMAIL_API_URL")
    assert about(ran, "server")["state"] == "ok"
    assert about(ran, "event stream")["state"] == "ok"
    assert about(ran, "scopes")["detail"] == "read, send"
    assert cli.server.mailbox.address in about(ran, "mailbox in use")["detail"]
    assert about(ran, "langchain")["state"] == "info"
    assert about(ran, "conversations")["state"] == "warning"
    assert "smolagents never names one" in about(ran, "conversations")["detail"]
    assert cli("doctor").last_line == "Everything works."


def test_a_missing_key_a_wrong_key_and_a_silent_server_are_broken(
    cli: Any, multimail: Callable[..., Any], inside: Callable[..., Any]
) -> None:
    keyless = inside("doctor", "--json")
    assert keyless.status == 1
    assert about(keyless, "key")["state"] == "broken"
    assert "export MULTIMAIL_API_KEY" in about(keyless, "key")["remedy"]
    wrong = {"MULTIMAIL_API_URL": cli.server.url, "MULTIMAIL_API_KEY": "mm_test_wrong"}
    refused = inside("doctor", "--json", environment=wrong)
    assert refused.status == 1
    assert about(refused, "server")["state"] == "ok"
    assert about(refused, "scopes")["state"] == "broken"
    silent = {"MULTIMAIL_API_URL": "http://127.0.0.1:9", "MULTIMAIL_API_KEY": "mm_test_any"}
    ran = multimail("doctor", environment=silent)
    assert ran.status == 1
    assert "BROKEN   server" in ran.out
    assert "Traceback" not in ran.out + ran.err


def test_a_mailbox_that_is_not_there_is_broken(cli: Any) -> None:
    ran = cli.inside("doctor", "--mailbox", "other@example.com", "--json")
    assert ran.status == 1
    assert about(ran, "mailbox in use")["state"] == "broken"


def test_a_key_that_makes_keys_is_warned_about_and_two_roles_in_one_key_are_refused(
    cli: Any,
) -> None:
    ran = cli.inside("doctor", "--json", key="admin")
    assert ran.status == 0, ran.out
    assert about(ran, "oversight")["state"] == "warning"
    headers = {"Authorization": f"Bearer {cli.server.keys.admin}"}
    both = {"name": "both", "scopes": ["read", "send", "oversight"]}
    refused = httpx.post(f"{cli.server.url}/v1/api-keys", json=both, headers=headers)
    assert refused.is_client_error


def distribution(directory: Path, name: str, version: str, files: tuple[str, ...]) -> Distribution:
    place = directory / f"{name.replace('-', '_')}-{version}.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (place / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    return PathDistribution(place)


def problems(*distributions: Distribution) -> list[str]:
    return [part.detail for part in check_installation(distributions) if part.remedy]


def test_leftovers_of_the_retired_packages_are_found(tmp_path: Path) -> None:
    ours = distribution(tmp_path, "multimail", "1.0.0", ("multimail/__init__.py",))
    assert problems(ours) == []
    for name in ("langchain-multimail", "crewai_multimail", "multimail"):
        old = distribution(tmp_path / "old", name, "0.1.1", ("gone.py",))
        assert problems(ours, old) == ["the retired version 0.1.1 is installed"]
    newer = distribution(tmp_path, "langchain-multimail", "2.0", ("langchain_multimail/new.py",))
    assert problems(ours, newer) == []


def test_two_distributions_that_own_one_file_are_found_with_the_cure(tmp_path: Path) -> None:
    files = ("langchain_multimail/__init__.py", "multimail/client.py")
    ours = distribution(tmp_path, "multimail", "1.0.0", files)
    other = distribution(tmp_path, "langchain-multimail", "0.2.0", files[:1])
    assert problems(ours, other) == [
        "langchain-multimail 0.2.0 and multimail 1.0.0 own the same files"
    ]
    cure = next(part.remedy for part in check_installation([ours, other]) if part.remedy)
    assert "pip uninstall -y multimail langchain-multimail crewai-multimail" in cure


def test_the_command_sees_a_leftover_in_its_own_environment(
    cli: Any, tmp_path: Path, multimail: Callable[..., Any]
) -> None:
    distribution(tmp_path, "crewai-multimail", "0.1.1", ("crewai_multimail/__init__.py",))
    environment = {
        "PYTHONPATH": str(tmp_path),
        "MULTIMAIL_API_URL": cli.server.url,
        "MULTIMAIL_API_KEY": cli.server.keys.agent,
    }
    ran = multimail("doctor", "--json", environment=environment)
    assert ran.status == 1
    assert about(ran, "crewai-multimail")["state"] == "broken"
    assert "pip uninstall" in about(ran, "crewai-multimail")["remedy"]
