"""Domains and identity: what leaves is signed with keys that DNS publishes, once it may leave."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from tests.support.server import Json, ServerFixture, Start, accepted, refusal
from tests.support.smtp_sink import SmtpSink

from multimail import MultiMail, MultiMailError
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.resolvers import zone_resolver
from multimail_server.mail.identity import verify_identity
from multimail_server.mail.signing import zone_lines
from multimail_server.server import FirstKeys

SIGNING_KEY = "/.well-known/multimail-signing-key"


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    """A zone file without records."""
    path = tmp_path / "dns.zone"
    path.write_text("")
    return path


def add(server: ServerFixture, name: str = "own.example") -> Json:
    return accepted(server.admin.post("/v1/domains", json={"domain": name}), 201)


def publish(zone: Path, domain: Json) -> None:
    rows = domain["dns_records"]
    texts = [(row["name"], row["value"]) for row in rows if row["type"] == "TXT"]
    hosts = [f"{row['name']}. IN MX {row['value']}.\n" for row in rows if row["type"] == "MX"]
    zone.write_text(zone_lines(texts) + "".join(hosts), encoding="ascii")


def statuses(domain: Json) -> dict[str, str]:
    return {row["purpose"]: row["status"] for row in domain["dns_records"]}


class Verified(NamedTuple):
    """A live server, its domain own.example, and its first keys; sales@own.example is free."""

    server: ServerFixture
    domain: Json
    keys: FirstKeys


@pytest.fixture
def verified(start: Start, relay: SmtpSink, zone: Path) -> Verified:
    data = zone.with_name("mail.db")
    first = start(data=data, dns_zone=zone, live=True)
    domain, keys = add(first), first.keys
    first.stop()
    publish(zone, domain)
    server = start(data=data, relay=relay.url, dns_zone=zone, live=True)
    admin = server.http(keys.admin)
    domain = accepted(admin.post(f"/v1/domains/{domain['id']}/verify"))
    box = {"address": "sales@own.example", "oversight_mode": "autonomous"}
    accepted(admin.post("/v1/mailboxes", json=box), 201)
    return Verified(server, domain, keys)


def test_a_new_domain_names_the_records_to_publish_and_no_secret(start: Start) -> None:
    server = start()
    domain = add(server, "Own.Example.")
    assert domain["domain"] == "own.example"
    assert (domain["status"], domain["verified"]) == ("pending", False)
    rows = {row["purpose"]: row for row in domain["dns_records"]}
    assert set(rows) == {"dkim_rsa", "dkim_ed25519", "spf", "dmarc", "mx"}
    assert rows["dkim_rsa"]["value"].startswith("v=DKIM1; k=rsa; p=")
    assert rows["dkim_rsa"]["name"].endswith("._domainkey.own.example")
    assert rows["dmarc"]["name"] == "_dmarc.own.example"
    kept = server.read(lambda tx: tx.domain(domain["id"]))
    assert kept is not None
    assert "PRIVATE KEY" in kept.rsa_key
    paths = (f"/v1/domains/{domain['id']}", "/v1/domains", "/v1/audit-log")
    for text in (repr(kept), *(server.admin.get(path).text for path in paths)):
        assert "PRIVATE" not in text
        assert kept.rsa_key.splitlines()[-4] not in text


@pytest.mark.parametrize("name", ["com", "co.uk", "localhost", "a b.com", "", "x@y.com", "-a.com"])
def test_unownable_domain_name_is_refused(server: ServerFixture, name: str) -> None:
    reply = server.admin.post("/v1/domains", json={"domain": name})
    assert reply.status_code == 400
    assert "`domain`" in reply.json()["error"]


def test_an_unverified_domain_has_no_mailboxes(start: Start, zone: Path) -> None:
    server = start(dns_zone=zone)
    admin, domain = server.admin, add(server)
    checked = admin.post(f"/v1/domains/{domain['id']}/verify").json()
    assert checked["verified"] is False
    assert set(statuses(checked).values()) == {"missing"}
    box = {"address": "sales@own.example"}
    assert refusal(admin.post("/v1/mailboxes", json=box)) == (409, "domain_not_verified")
    assert admin.post("/v1/domains", json={"domain": "own.example"}).status_code == 409
    assert admin.delete(f"/v1/domains/{domain['id']}").json()["status"] == "deleted"
    assert refusal(admin.post("/v1/mailboxes", json=box)) == (400, "unknown_domain")


def test_another_key_in_dns_verifies_nothing(start: Start, zone: Path) -> None:
    data = zone.with_name("mail.db")
    first = start(data=data, dns_zone=zone)
    domain, other, admin = add(first), add(first, "other.example"), first.keys.admin
    first.stop()
    foreign = {row["purpose"]: row["value"] for row in other["dns_records"]}
    rows = [{**row, "value": foreign[row["purpose"]]} for row in domain["dns_records"]]
    publish(zone, {"dns_records": rows})
    server = start(data=data, dns_zone=zone)
    checked = server.http(admin).post(f"/v1/domains/{domain['id']}/verify").json()
    assert checked["verified"] is False
    assert statuses(checked)["dkim_rsa"] == statuses(checked)["dkim_ed25519"] == "other"


def test_mail_of_a_verified_domain_is_signed(
    verified: Verified, relay: SmtpSink, zone: Path
) -> None:
    server, domain, keys = verified
    assert domain["verified"] is True
    assert set(statuses(domain).values()) == {"found"}
    mail = {"to": ["ann@other.test"], "subject": "Offer", "markdown": "Hello"}
    agent = server.http(keys.agent)
    accepted(agent.post("/v1/mailboxes/sales@own.example/send", json=mail), 202)
    taken = relay.next()
    assert taken.mail_from == "sales@own.example"
    result = authenticate(taken.raw, zone_resolver(zone), None, datetime.now(UTC))
    evidence = result.model_dump(mode="json")
    signatures = [(row["result"], row["domain"], row["aligned"]) for row in evidence["dkim"]]
    assert signatures == [("pass", "own.example", True)] * 2
    assert evidence["dmarc"]["result"] == "pass"
    with MultiMail(api_key=keys.admin, base_url=server.url) as client:
        claim = verify_identity(taken.raw, client.get_signing_key().model_dump()["public_key"])
    assert claim is not None
    assert (claim.mailbox, claim.mode) == ("sales@own.example", "autonomous")
    assert claim.approved == "none"


def test_a_domain_in_use_cannot_be_deleted(verified: Verified) -> None:
    server, domain, keys = verified
    with MultiMail(api_key=keys.admin, base_url=server.url) as client:
        with pytest.raises(MultiMailError, match="Delete them first"):
            client.delete_domain(domain["id"])
        client.delete_mailbox("sales@own.example")
        assert client.delete_domain(domain["id"]).status == "deleted"
        assert client.list_domains() == []


def test_a_held_message_is_signed_only_after_its_approval(start: Start, relay: SmtpSink) -> None:
    server = start(live=True, relay=relay.url)
    sent = server.sent()["id"]
    waiting = server.raw(sent)
    assert b"X-MultiMail-Identity" not in waiting
    assert b"DKIM-Signature" not in waiting
    assert server.decide(sent).status_code == 200
    raw = relay.next().raw
    assert raw.endswith(waiting)
    key = httpx.get(server.url + SIGNING_KEY).json()
    claim = verify_identity(raw, key["public_key"])
    assert claim is not None
    assert (claim.mode, claim.approved) == ("gated_send", "human")


def test_the_signing_key_survives_a_restart_and_its_private_half_is_not_shown(
    start: Start, tmp_path: Path
) -> None:
    first = start(data=tmp_path / "mail.db")
    before = httpx.get(first.url + SIGNING_KEY)
    first.stop()
    after = httpx.get(start(data=tmp_path / "mail.db").url + SIGNING_KEY)
    assert before.json() == after.json()
    assert set(after.json()) == {"kid", "algorithm", "public_key", "jwk"}
    assert "PRIVATE" not in after.text
    assert "d" not in after.json()["jwk"]


def test_domains_are_for_admin_keys(server: ServerFixture) -> None:
    for client in (server.agent, server.reviewer):
        assert client.get("/v1/domains").status_code == 403
    assert server.admin.get(f"/v1/domains/dom_{'0' * 26}").status_code == 404
