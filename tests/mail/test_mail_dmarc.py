"""DMARC records: whose policy counts, and what is no record at all (RFC 7489 section 6)."""

from __future__ import annotations

import pytest

from multimail_server.mail.auth.dmarc import DmarcRecord, look_up_policy
from multimail_server.mail.auth.dns import DnsUnavailableError


class PolicyDns:
    def __init__(self, **records: str | list[str]) -> None:
        self.records = {
            f"_dmarc.{name.replace('_', '.')}": record for name, record in records.items()
        }
        self.silent = ""

    def txt(self, name: str) -> list[bytes]:
        if name == self.silent:
            raise DnsUnavailableError("DNS did not answer")
        records = self.records.get(name, [])
        return [record.encode() for record in ([records] if isinstance(records, str) else records)]

    def exists(self, name: str) -> bool:
        return name in self.existing

    def hosts(self, name: str, kind: str) -> list[str]:
        raise AssertionError(f"DMARC asked for {kind} of {name}")


NOTHING = DmarcRecord()


@pytest.mark.parametrize(
    "record",
    [
        "",
        "v=DMARC1",
        "v=DMARC1;",
        "v=dmarc1; p=reject",
        "p=reject; v=DMARC1",
        "v=DMARC10; p=reject",
        "v=DMARC1 p=reject",
        "v=DMARC1; p=reject; p=reject",
        "v=DMARC1; p=reject; junk",
        "v=DMARC1; p=",
        "v=DMARC1; p=rejected",
        "v=DMARC1; p=reject; sp=never",
        "v=DMARC1; \u00fc",
        "v=spf1 -all",
    ],
)
def test_a_malformed_record_is_no_record(record: str) -> None:
    assert look_up_policy("example.com", PolicyDns(example_com=record)) == NOTHING


def test_several_records_are_none_but_other_records_beside_one_do_no_harm() -> None:
    twice = ["v=DMARC1; p=reject", "v=DMARC1; p=none"]
    assert look_up_policy("example.com", PolicyDns(example_com=twice)) == NOTHING
    beside = ["v=DMARC1; p=reject", "v=spf1 -all", "verification=1"]
    assert look_up_policy("example.com", PolicyDns(example_com=beside)).policy == "reject"
    below = PolicyDns(a_example_com=twice, example_com="v=DMARC1; p=reject")
    assert look_up_policy("a.example.com", below) == NOTHING


@pytest.mark.parametrize(
    ("record", "policy"),
    [
        ("v=DMARC1; p=none", "none"),
        ("v=DMARC1;p=QUARANTINE;", "quarantine"),
        (" v = DMARC1 ; p = reject ", "reject"),
        ("v=DMARC1; p=reject; pct=0", "reject"),
        ("v=DMARC1; p=reject; pct=junk", "reject"),
        ("v=DMARC1; p=reject; x-new=1", "reject"),
        ("v=DMARC1; p=junk; rua=mailto:a@example.com", "none"),
    ],
)
def test_the_policy_is_read_whole(record: str, policy: str) -> None:
    assert look_up_policy("example.com", PolicyDns(example_com=record)).policy == policy


def test_a_subdomain_has_its_own_record_or_that_of_its_organisation() -> None:
    dns = PolicyDns(
        example_com="v=DMARC1; p=reject; sp=none", own_example_com="v=DMARC1; p=quarantine"
    )
    assert look_up_policy("example.com", dns).policy == "reject"
    assert look_up_policy("a.b.example.com", dns).policy == "none"
    assert look_up_policy("own.example.com", dns).policy == "quarantine"
    tenants = PolicyDns(github_io="v=DMARC1; p=reject", one_github_io="v=DMARC1; p=none")
    assert look_up_policy("x.one.github.io", tenants).policy == "none"
    assert look_up_policy("two.github.io", tenants) == NOTHING


@pytest.mark.parametrize(
    ("tags", "dkim", "spf"),
    [
        ("", False, False),
        ("; adkim=r; aspf=r", False, False),
        ("; adkim=s", True, False),
        ("; aspf=S", False, True),
        ("; adkim=strict; aspf=x", False, False),
    ],
)
def test_alignment_is_strict_only_where_the_record_says_so(
    tags: str, dkim: bool, spf: bool
) -> None:
    policy = look_up_policy("example.com", PolicyDns(example_com=f"v=DMARC1; p=none{tags}"))
    assert (policy.strict_dkim, policy.strict_spf) == (dkim, spf)


@pytest.mark.parametrize("silent", ["_dmarc.a.example.com", "_dmarc.example.com"])
def test_silence_is_distinguished_from_absence(silent: str) -> None:
    dns = PolicyDns()
    dns.silent = silent
    policy = look_up_policy("a.example.com", dns)
    assert policy.dns_failure == "DNS did not answer"
    assert (policy.policy, policy.strict_dkim, policy.strict_spf) == ("", None, None)
    assert NOTHING.dns_failure == ""
