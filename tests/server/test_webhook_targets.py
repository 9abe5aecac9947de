"""Webhooks reach public addresses and those that the operator allows, whatever DNS says later."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from tests.support.server import Start, accepted, refusal
from tests.support.webhook_receiver import WebhookReceiver

from multimail_server.webhook_targets import LOOPBACK, WebhookTargets
from multimail_server.workers import webhook_transport
from multimail_server.workers.webhook_transport import TargetRefusedError, WebhookTransport

PRIVATE = (
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
    "169.254.169.254", "100.100.100.200", "168.63.129.16", "224.0.0.1", "255.255.255.255", "::1",
    "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1",
    "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "nonsense", "",
)  # fmt: skip
PUBLIC = ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e")


def test_only_public_addresses_are_allowed_by_themselves() -> None:
    targets = WebhookTargets()
    assert [address for address in PRIVATE if targets.allows_address(address)] == []
    assert [address for address in PUBLIC if not targets.allows_address(address)] == []
    allowed = WebhookTargets((*LOOPBACK, ip_network("10.0.0.0/24")))
    assert [address for address in PRIVATE if allowed.allows_address(address)] == [
        "127.0.0.1", "127.1.2.3", "10.0.0.1", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "url", "allowed"),
    [
        ({}, "http://127.0.0.1:9/", True),
        ({}, "https://169.254.169.254/", False),
        ({"live": True}, "http://127.0.0.1:9/", False),
        ({"live": True}, "http://localhost:9/", False),
        ({"live": True}, "https://[::ffff:10.0.0.1]/", False),
        ({"live": True, "webhook_networks": "127.0.0.1"}, "http://localhost:9/", True),
        ({"webhook_networks": "10.0.0.0/8"}, "http://localhost:9/", False),
        ({"webhook_networks": "10.0.0.0/8"}, "https://10.1.2.3/", True),
    ],
)
def test_a_private_address_is_refused_when_a_webhook_is_made(
    start: Start, settings: dict[str, Any], url: str, allowed: bool
) -> None:
    server = start(**settings)
    made = server.admin.post("/v1/webhooks", json={"url": url, "events": ["message.received"]})
    changed = server.configure(webhook_url=url)
    if allowed:
        assert (made.status_code, changed.status_code) == (201, 200)
    else:
        assert refusal(made) == refusal(changed) == (400, "invalid_webhook_url")


def test_a_name_that_leads_to_a_private_address_is_not_posted_to(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["10.0.0.1", "::ffff:169.254.169.254"]

    monkeypatch.setattr(webhook_transport, "resolve", resolve)
    server = start(live=True)
    hook = {"url": "https://hooks.example/", "events": ["message.received"]}
    accepted(server.admin.post("/v1/webhooks", json=hook))
    server.receive()

    def find_error() -> str | None:
        [row] = server.admin.get("/v1/webhook-deliveries").json()["deliveries"]
        return row["error"]  # type: ignore[no-any-return]

    assert "--webhook-networks" in server.wait_until(find_error)


async def test_a_request_goes_to_the_address_that_was_checked(
    endpoint: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [["10.0.0.1", "127.0.0.2", "127.0.0.1"], ["10.0.0.1"]]

    async def resolve(host: str, port: int) -> list[str]:
        assert host == "hooks.example"
        return answers.pop(0)

    monkeypatch.setattr(webhook_transport, "resolve", resolve)
    url = httpx.URL(endpoint.url).copy_with(host="hooks.example")
    async with httpx.AsyncClient(transport=WebhookTransport(WebhookTargets(LOOPBACK))) as client:
        assert (await client.post(url, content=b"{}")).status_code == 200
        with pytest.raises(TargetRefusedError):
            await client.post(url, content=b"{}")
    [posted] = endpoint.wait(1)
    assert posted.headers["host"] == f"hooks.example:{url.port}"
