"""Domains and identity: what leaves is signed with keys that DNS publishes, once it may leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.sink import Sink, start_sink

from multimail import MultiMail, MultiMailError
from multimail_server import ServerConfig
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.resolvers import zone_resolver
from multimail_server.mail.identity import verify_identity
from multimail_server.mail.signing import zone_lines
from multimail_server.server import FirstKeys
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]
Json = dict[str, Any]
NOBODY = "0" * 26


@pytest.fixture
def relay() -> Iterator[Sink]:
    sink, controller = start_sink()
    yield sink
    controller.stop()


def add(server: ServerUnderTest, name: str = "own.example") -> Json:
    reply = server.http("admin").post("/v1/domains", json={"domain": name})
    assert reply.status_code == 201, reply.text
    added: Json = reply.json()
    return added


def publish(path: Path, domain: Json, *purposes: str) -> Path:
    rows = [row for row in domain["dns_records"] if not purposes or row["purpose"] in purposes]
    texts = [(row["name"], row["value"]) for row in rows if row["type"] == "TXT"]
    hosts = [f"{row['name']}. IN MX {row['value']}.\n" for row in rows if row["type"] == "MX"]
    path.write_text(zone_lines(texts) + "".join(hosts), encoding="ascii")
    return path


def statuses(domain: Json) -> dict[str, str]:
    return {row["purpose"]: row["status"] for row in domain["dns_records"]}


@pytest.fixture
def verified(start: Start, relay: Sink, tmp_path: Path) -> tuple[ServerUnderTest, Json, FirstKeys]:
    """A server whose domain own.example is verified, that domain, and the first keys."""
    with ServerUnderTest(config(tmp_path / "mail.db", empty_zone(tmp_path), live=True)) as first:
        domain, keys = add(first), first.keys
    publish(tmp_path / "dns.zone", domain)
    server = start(
        data=tmp_path / "mail.db", relay=relay.url, dns_zone=tmp_path / "dns.zone", live=True
    )
    with server.http(keys.admin) as admin:
        done = admin.post(f"/v1/domains/{domain['id']}/verify").json()
        made = admin.post(
            "/v1/mailboxes",
            json={"address": "sales@own.example", "oversight_mode": "autonomous"},
        )
    assert made.status_code == 201, made.text
    return server, done, keys


def config(data: Path, zone: Path, **more: Any) -> ServerConfig:
    return ServerConfig(port=0, smtp_port=0, data=data, dns_zone=zone, **more)


def empty_zone(tmp_path: Path) -> Path:
    path = tmp_path / "empty.zone"
    path.write_text("")
    return path


def test_a_new_domain_names_the_records_to_publish_and_no_secret(start: Start) -> None:
    server = start()
    domain = add(server, "Own.Example.")
    assert (domain["domain"], domain["status"], domain["verified"]) == (
        "own.example",
        "pending",
        False,
    )
    rows = {row["purpose"]: row for row in domain["dns_records"]}
    assert set(rows) == {"dkim_rsa", "dkim_ed25519", "spf", "dmarc", "mx"}
    assert rows["dkim_rsa"]["value"].startswith("v=DKIM1; k=rsa; p=")
    assert rows["dkim_rsa"]["name"].endswith("._domainkey.own.example")
    assert rows["dmarc"]["name"] == "_dmarc.own.example"
    admin = server.http("admin")
    shown = admin.get(f"/v1/domains/{domain['id']}").text + admin.get("/v1/domains").text
    log = admin.get("/v1/audit-log").text
    kept = server.services.context.store.read(lambda tx: tx.domain(domain["id"]))
    assert kept is not None
    assert "PRIVATE KEY" in kept.rsa_key
    for text in (shown, log, repr(kept)):
        assert "PRIVATE" not in text
        assert kept.rsa_key.splitlines()[-4] not in text


@pytest.mark.parametrize("name", ["com", "co.uk", "localhost", "a b.com", "", "x@y.com", "-a.com"])
def test_what_nobody_can_own_is_refused(start: Start, name: str) -> None:
    reply = start().http("admin").post("/v1/domains", json={"domain": name})
    assert reply.status_code == 400
    assert "`domain`" in reply.json()["error"]


def test_an_unverified_domain_has_no_mailboxes(start: Start, tmp_path: Path) -> None:
    server = start(dns_zone=empty_zone(tmp_path))
    admin = server.http("admin")
    domain = add(server)
    checked = admin.post(f"/v1/domains/{domain['id']}/verify").json()
    assert checked["verified"] is False
    assert set(statuses(checked).values()) == {"missing"}
    refused = admin.post("/v1/mailboxes", json={"address": "sales@own.example"})
    assert (refused.status_code, refused.json()["code"]) == (409, "domain_not_verified")
    assert admin.post("/v1/domains", json={"domain": "own.example"}).status_code == 409
    assert admin.delete(f"/v1/domains/{domain['id']}").json()["status"] == "deleted"
    refused = admin.post("/v1/mailboxes", json={"address": "sales@own.example"})
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_domain")


def test_a_key_of_somebody_else_in_dns_verifies_nothing(start: Start, tmp_path: Path) -> None:
    zone = tmp_path / "dns.zone"
    zone.write_text("")
    data = tmp_path / "mail.db"
    with ServerUnderTest(config(data, zone)) as first:
        domain, other = add(first), add(first, "other.example")
        admin = first.keys.admin
    stolen = {row["purpose"]: row["value"] for row in other["dns_records"]}
    forged = {
        **domain,
        "dns_records": [{**row, "value": stolen[row["purpose"]]} for row in domain["dns_records"]],
    }
    publish(zone, forged)
    server = start(data=data, dns_zone=zone)
    checked = server.http(admin).post(f"/v1/domains/{domain['id']}/verify").json()
    assert checked["verified"] is False
    assert statuses(checked)["dkim_rsa"] == statuses(checked)["dkim_ed25519"] == "other"


def test_mail_of_a_verified_domain_is_signed(
    verified: tuple[ServerUnderTest, Json, FirstKeys], relay: Sink, tmp_path: Path
) -> None:
    server, domain, keys = verified
    assert domain["verified"] is True
    assert set(statuses(domain).values()) == {"found"}
    sent = send(server, keys.agent, "sales@own.example")
    taken = relay.next()
    assert taken.mail_from == "sales@own.example"
    found = authenticate(
        taken.raw, zone_resolver(tmp_path / "dns.zone"), None, datetime.now(UTC)
    ).model_dump(mode="json")
    assert [(one["result"], one["domain"], one["aligned"]) for one in found["dkim"]] == [
        ("pass", "own.example", True),
        ("pass", "own.example", True),
    ]
    assert found["dmarc"]["result"] == "pass"
    with MultiMail(api_key=keys.admin, base_url=server.url) as client:
        key = client.get_signing_key().model_dump()
    claim = verify_identity(taken.raw, key["public_key"])
    assert claim is not None
    assert (claim.mailbox, claim.mode, claim.approved) == (
        "sales@own.example",
        "autonomous",
        "none",
    )
    assert sent["id"]


def test_a_domain_in_use_cannot_be_deleted(
    verified: tuple[ServerUnderTest, Json, FirstKeys],
) -> None:
    server, domain, keys = verified
    with MultiMail(api_key=keys.admin, base_url=server.url) as client:
        with pytest.raises(MultiMailError, match="Delete them first"):
            client.delete_domain(domain["id"])
        client.delete_mailbox("sales@own.example")
        assert client.delete_domain(domain["id"]).status == "deleted"
        assert client.list_domains() == []


def test_a_held_message_is_signed_only_after_its_approval(start: Start, relay: Sink) -> None:
    server = start(live=True, relay=relay.url)
    agent, reviewer = server.http("agent"), server.http("reviewer")
    sent = send(server, server.keys.agent, server.mailbox.address)
    path = f"/v1/mailboxes/{server.mailbox.id}/emails/{sent['id']}/raw"
    waiting = agent.get(path).content
    assert b"X-MultiMail-Identity" not in waiting
    assert b"DKIM-Signature" not in waiting
    decided = {"email_id": sent["id"], "action": "approve"}
    assert reviewer.post("/v1/oversight/decide", json=decided).status_code == 200
    raw = relay.next().raw
    assert raw.endswith(waiting)
    key = httpx.get(f"{server.url}/.well-known/multimail-signing-key").json()
    claim = verify_identity(raw, key["public_key"])
    assert claim is not None
    assert (claim.mode, claim.approved) == ("gated_send", "human")


def send(server: ServerUnderTest, key: str, mailbox: str, **more: Any) -> Json:
    body = {"to": ["ann@other.test"], "subject": "Offer", "markdown": "Hello", **more}
    with server.http(key) as client:
        reply = client.post(f"/v1/mailboxes/{mailbox}/send", json=body)
    assert reply.status_code == 202, reply.text
    answer: Json = reply.json()
    return answer


def test_the_signing_key_stays_the_same_and_the_private_half_at_home(
    start: Start, tmp_path: Path
) -> None:
    data = tmp_path / "mail.db"
    with ServerUnderTest(config(data, empty_zone(tmp_path))) as first:
        before = httpx.get(f"{first.url}/.well-known/multimail-signing-key")
    after = httpx.get(f"{start(data=data).url}/.well-known/multimail-signing-key")
    assert before.json() == after.json()
    assert set(after.json()) == {"kid", "algorithm", "public_key", "jwk"}
    assert "PRIVATE" not in after.text
    assert "d" not in after.json()["jwk"]


def test_only_admin_keys_see_domains(start: Start) -> None:
    server = start()
    for role in ("agent", "reviewer"):
        assert server.http(role).get("/v1/domains").status_code == 403
    assert server.http("admin").get("/v1/domains/dom_" + NOBODY).status_code == 404
