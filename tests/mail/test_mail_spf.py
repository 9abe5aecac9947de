"""SPF: results by client, domain and record."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from multimail.trust.evidence import Authentication, AuthResult, SpfEvidence
from multimail.trust.labels import Label, assess
from multimail_server import ServerConfig
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.dns import DnsUnavailableError, Resolver
from multimail_server.mail.auth.resolvers import zone_resolver
from multimail_server.mail.auth.spf import check_host, check_spf
from multimail_server.mail.compose import compose
from multimail_server.mail.envelope import SmtpEnvelope
from multimail_server.testing.server import ServerUnderTest

PEER = "192.0.2.1"
ZONE = """
example.com. TXT "v=spf1 ip4:192.0.2.0/24 -all"
mail.example.com. TXT "v=spf1 ip4:192.0.2.0/24 -all"
hosts.example. TXT "v=spf1 a mx a:six.example ~all"
hosts.example. A 198.51.100.1
hosts.example. MX 10 mx.hosts.example.
mx.hosts.example. A 192.0.2.1
six.example. AAAA 2001:db8::1
named.example. TXT "v=spf1 ptr -all"
1.2.0.192.in-addr.arpa. PTR relay.named.example.
relay.named.example. A 192.0.2.1
open.example. TXT "v=spf1 +all"
nearly.example. TXT "v=spf1 include:open.example -all"
wide.example. TXT "v=spf1 ip4:0.0.0.0/0 -all"
soft.example. TXT "v=spf1 ~all"
shrug.example. TXT "v=spf1 ?all"
loop.example. TXT "v=spf1 include:loop2.example -all"
loop2.example. TXT "v=spf1 include:loop.example -all"
twice.example. TXT "v=spf1 -all"
twice.example. TXT "v=spf1 +all"
junk.example. TXT "v=spf1 ip4:192.0.2.1/99 -all"
"""


@pytest.fixture
def dns(tmp_path: Path) -> Resolver:
    path = tmp_path / "zone"
    path.write_text(ZONE, "utf-8")
    return zone_resolver(path)


def envelope(mail_from: str, peer: str = PEER, helo: str = "mail.example.com") -> SmtpEnvelope:
    return SmtpEnvelope(mail_from, ("bob@example.net",), peer, helo)


def checked(dns: Resolver, mail_from: str, **where: str) -> SpfEvidence:
    result = check_spf(envelope(mail_from, **where), dns, aligned=None)
    assert result is not None
    return result


class Silent:
    """DNS that does not answer about some names, and answers from a zone about the others."""

    def __init__(self, dns: Resolver, *silent: str) -> None:
        self.dns, self.silent = dns, silent
        self.queries: list[str] = []

    def _hear(self, name: str) -> None:
        self.queries.append(name)
        if name.startswith(self.silent):
            raise DnsUnavailableError("DNS did not answer")

    def txt(self, name: str) -> list[bytes]:
        self._hear(name)
        return self.dns.txt(name)

    def exists(self, name: str) -> bool:
        return True

    def hosts(self, name: str, kind: str) -> list[str]:
        self._hear(name)
        return self.dns.hosts(name, kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mail_from", "result", "reason"),
    [
        ("ann@example.com", AuthResult.PASS, ""),
        ("ann@EXAMPLE.com", AuthResult.PASS, ""),
        ("@example.com", AuthResult.PASS, ""),
        ("ann@hosts.example", AuthResult.PASS, ""),
        ("ann@named.example", AuthResult.PASS, ""),
        ("ann@soft.example", AuthResult.SOFTFAIL, "should not send"),
        ("ann@shrug.example", AuthResult.NEUTRAL, "neither yes nor no"),
        ("ann@absent.example", AuthResult.NONE, "no SPF record"),
        ("ann@loop.example", AuthResult.PERMERROR, "broken"),
        ("ann@twice.example", AuthResult.PERMERROR, "broken"),
        ("ann@junk.example", AuthResult.PERMERROR, "broken"),
        ("ann@open.example", AuthResult.POLICY, "anybody"),
        ("ann@nearly.example", AuthResult.POLICY, "anybody"),
        ("ann@wide.example", AuthResult.POLICY, "anybody"),
        ("ann", AuthResult.NONE, "no usable domain"),
        ("ann@[192.0.2.1]", AuthResult.NONE, "no usable domain"),
        ("x@attacker.test@example.com", AuthResult.NONE, "no usable domain"),
        ("a" * 65 + "@example.com", AuthResult.NONE, "no usable domain"),
        ("ann@exa mple.com", AuthResult.NONE, "no usable domain"),
        ("%{i}\0@example.com", AuthResult.PASS, ""),
    ],
)
def test_the_domain_of_the_return_path_is_asked(
    dns: Resolver, mail_from: str, result: AuthResult, reason: str
) -> None:
    outcome = checked(dns, mail_from)
    assert outcome.result is result
    assert reason in outcome.reason
    assert bool(outcome.reason) is (result is not AuthResult.PASS)


def test_another_client_fails(dns: Resolver) -> None:
    result = checked(dns, "ann@example.com", peer="203.0.113.9")
    assert (result.result, result.domain) == (AuthResult.FAIL, "example.com")


@pytest.mark.parametrize("peer", ["2001:db8::1", "2001:DB8:0::1%eth0"])
def test_a_client_may_speak_ipv6(dns: Resolver, peer: str) -> None:
    assert checked(dns, "ann@hosts.example", peer=peer).result is AuthResult.PASS
    assert checked(dns, "ann@example.com", peer="::ffff:192.0.2.1").result is AuthResult.PASS


def test_helo_name_replaces_an_empty_return_path(dns: Resolver) -> None:
    bounce = checked(dns, "", helo="mail.example.com")
    assert (bounce.result, bounce.domain) == (AuthResult.PASS, "mail.example.com")
    assert checked(dns, "", helo="[192.0.2.1]").result is AuthResult.NONE


def test_what_did_not_come_by_smtp_has_no_spf(dns: Resolver) -> None:
    raw = b"From: ann@example.com\r\n\r\nhi\r\n"
    assert authenticate(raw, dns).spf is None
    assert authenticate(raw, dns, envelope("ann@example.com", peer="")).spf is None


def test_silence_is_temperror_and_neither_none_nor_fail(dns: Resolver) -> None:
    for sender, name in (("example.com", "example.com"), ("hosts.example", "mx.hosts")):
        result = checked(Silent(dns, name), f"ann@{sender}")
        assert (result.result, result.reason) == (AuthResult.TEMPERROR, "DNS did not answer")


def test_spf_ignores_unresolvable_ptr_names(dns: Resolver) -> None:
    for silent in ("1.2.0.192", "relay"):
        result = checked(Silent(dns, silent), "ann@named.example")
        assert result.result is AuthResult.FAIL


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 " + "a:" + "a" * 600 + ".example -all",
        "v=spf1 " + "ip4:192.0.2.1 " * 700 + "-all",
        "v=spf1 " + "include:x%{i}.example " * 12 + "-all",
        "v=spf1 exists:%{l}%{l}%{l}.%{d}%{ +all",
        "v=spf1 redirect=%",
        "v=spf1 a:\u00e9.example +all",
    ],
)
def test_a_hostile_record_is_permerror_and_never_a_pass(dns: Resolver, record: str) -> None:
    class Hostile(Silent):
        def txt(self, name: str) -> list[bytes]:
            self._hear(name)
            return [record.encode()]

    hostile = Hostile(dns)
    assert checked(hostile, "ann@example.com").result is AuthResult.PERMERROR
    assert len(hostile.queries) <= 12


def test_records_are_not_followed_for_ever(dns: Resolver) -> None:
    """RFC 7208 section 4.6.4: ten mechanisms that look something up, two that find nothing."""
    for terms in ("a:one.example a:two.example a:three.example", "include:example.com " * 11):

        class EndlessPolicy(Silent):
            def txt(self, name: str, terms: str = terms) -> list[bytes]:
                self._hear(name)
                inner = "v=spf1 ?all" if name == "example.com" else f"v=spf1 {terms} +ip4:{PEER}"
                return [inner.encode()]

        endless = EndlessPolicy(dns)
        assert checked(endless, "ann@endless.example").result is AuthResult.PERMERROR
        assert len(endless.queries) <= 12


@pytest.mark.parametrize(
    ("mail_from", "policy", "aligned", "dmarc", "label"),
    [
        ("ann@example.com", "p=reject", True, "pass", Label.AUTHENTICATED_PATH),
        ("ann@example.com", "p=reject; aspf=s", True, "pass", Label.AUTHENTICATED_PATH),
        ("ann@mail.example.com", "p=reject", True, "pass", Label.AUTHENTICATED_PATH),
        ("ann@mail.example.com", "p=reject; aspf=s", False, "fail", Label.FAILED),
        ("ann@mail.example.com", "p=reject; adkim=s", True, "pass", Label.AUTHENTICATED_PATH),
        ("ann@hosts.example", "p=reject", False, "fail", Label.FAILED),
        ("ann@hosts.example", "p=none", False, "fail", Label.UNAUTHENTICATED),
        ("ann@absent.example", "p=quarantine", False, "fail", Label.FAILED),
    ],
)
def test_only_a_pass_of_an_aligned_domain_vouches_for_the_path(
    tmp_path: Path, mail_from: str, policy: str, aligned: bool, dmarc: str, label: Label
) -> None:
    path = tmp_path / "zone"
    path.write_text(f'{ZONE}_dmarc.example.com. TXT "v=DMARC1; {policy}"\n', "utf-8")
    raw = b"From: ann@example.com\r\nSubject: x\r\n\r\nhi\r\n"
    evidence = authenticate(raw, zone_resolver(path), envelope(mail_from))
    assert evidence.spf
    assert evidence.dmarc
    assert (evidence.spf.aligned, evidence.dmarc.result) == (aligned, AuthResult(dmarc))
    assert assess(evidence).label is label


def test_a_signature_says_more_than_the_path(
    make: Callable[..., object], signed: Callable[..., bytes], key: tuple[bytes, str], dns: Resolver
) -> None:
    class Keyed(Silent):
        def txt(self, name: str) -> list[bytes]:
            return [key[1].encode()] if "_domainkey" in name else super().txt(name)

    raw = signed(compose(make()))  # type: ignore[arg-type]
    both = authenticate(raw, Keyed(dns), envelope("ann@example.com"))
    assert assess(both).label is Label.AUTHENTICATED
    broken = authenticate(raw + b"more", Keyed(dns), envelope("ann@example.com"))
    assert assess(broken).label is Label.AUTHENTICATED_PATH


def test_silence_about_an_aligned_return_path_is_unknown_and_about_another_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "zone"
    path.write_text(f'{ZONE}_dmarc.example.com. TXT "v=DMARC1; p=reject"\n', "utf-8")
    dns = Silent(zone_resolver(path), "example.com", "hosts.example")
    raw = b"From: ann@example.com\r\n\r\nhi\r\n"

    def label(mail_from: str) -> tuple[Label, AuthResult]:
        evidence: Authentication = authenticate(raw, dns, envelope(mail_from))
        assert evidence.dmarc
        return assess(evidence).label, evidence.dmarc.result

    assert label("ann@example.com") == (Label.UNKNOWN, AuthResult.TEMPERROR)
    assert label("ann@hosts.example") == (Label.FAILED, AuthResult.FAIL)


def test_mail_by_smtp_is_checked_and_injected_mail_is_not(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text('example.com. TXT "v=spf1 ip4:127.0.0.1 ip6:::1 -all"\n', "utf-8")
    with ServerUnderTest(ServerConfig(port=0, smtp_port=0, dns_zone=path)) as server:
        server.deliver("Hi.", subject="By SMTP", sender="ann@example.com")
        evidence = server.wait_for_message("By SMTP")["authentication"]
        assert (evidence["spf"]["result"], evidence["spf"]["aligned"]) == ("pass", True)
        server.deliver(b"From: ann@example.com\nSubject: Path\n\nHi.\n", sender="ann@other.test")
        evidence = server.wait_for_message("Path")["authentication"]
        assert (evidence["spf"]["domain"], evidence["spf"]["aligned"]) == ("other.test", False)
        with server.http("agent") as client:
            raw = b"From: ann@example.com\r\nSubject: Injected\r\n\r\nHi.\r\n"
            query = {"mail_from": "ann@example.com"}
            client.post("/v1/test/inbound", content=raw, params=query).raise_for_status()
        assert server.wait_for_message("Injected")["authentication"]["spf"] is None


def test_threads_do_not_hear_each_others_dns() -> None:
    """The library keeps its resolver in a variable of its module; ours must not stand there."""

    class OneDomain:
        def __init__(self, number: int) -> None:
            self.name, self.record = f"d{number}.example", f"v=spf1 ip4:192.0.2.{number} -all"

        def txt(self, name: str) -> list[bytes]:
            assert name == self.name
            meeting.wait(60)  # all of the threads are in the middle of a check now
            return [self.record.encode()]

        def exists(self, name: str) -> bool:
            return True

        def hosts(self, name: str, kind: str) -> list[str]:
            raise AssertionError(f"{kind} of {name}")

    def ask(number: int) -> AuthResult:
        return check_host(
            f"a@d{number}.example", "x.example", f"192.0.2.{number}", OneDomain(number)
        )[0]

    meeting = threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(1, 9))) == {AuthResult.PASS}
