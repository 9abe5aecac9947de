"""DMARC records: whose policy counts, what is ignored, and what is no record (RFC 9989)."""

from __future__ import annotations

import pytest

from multimail_server.mail.auth.alignment import Alignment
from multimail_server.mail.auth.dmarc import DmarcPolicy, find_organisation, look_up_policy
from multimail_server.mail.auth.dns import DnsUnavailableError


class PolicyDns:
    """DNS with DMARC records; an underscore in a name stands for its dots."""

    def __init__(self, *existing: str, **records: str | list[str]) -> None:
        self.existing = existing
        self.records = {
            f"_dmarc.{name.replace('_', '.')}": record for name, record in records.items()
        }
        self.silent = "nothing"
        self.queries: list[str] = []

    def txt(self, name: str) -> list[bytes]:
        self.queries.append(name)
        if self.silent in name:
            raise DnsUnavailableError("DNS did not answer")
        records = self.records.get(name, [])
        return [record.encode() for record in ([records] if isinstance(records, str) else records)]

    def exists(self, name: str) -> bool:
        return name in self.existing

    def hosts(self, name: str, kind: str) -> list[str]:
        raise AssertionError(f"DMARC asked for {kind} of {name}")


NOTHING = DmarcPolicy()


@pytest.mark.parametrize(
    "record",
    [
        "",
        "v=dmarc1; p=reject",
        "p=reject; v=DMARC1",
        "; v=DMARC1; p=reject",
        "v=DMARC10; p=reject",
        "v=DMARC1 p=reject",
        "v=DMARC1, p=reject",
        "v=spf1 -all",
    ],
)
def test_a_record_begins_with_its_exact_version(record: str) -> None:
    assert look_up_policy("example.com", PolicyDns(example_com=record)) == NOTHING


@pytest.mark.parametrize(
    ("record", "policy"),
    [
        ("v=DMARC1; p=none", "none"),
        ("v=DMARC1;p=QUARANTINE;", "quarantine"),
        (" v = DMARC1 ; p = reject ", "reject"),
        ("V=DMARC1; P=reject", "reject"),
        ("v=DMARC1;; p=reject;;", "reject"),
        ("v=DMARC1; p=reject; junk", "reject"),
        ("v=DMARC1; =; \u00fc; p=reject", "reject"),
        ("v=DMARC1; p=reject; p=reject", "reject"),
        ("v=DMARC1; p=reject; p=none", ""),
        ("v=DMARC1; p=reject; pct=0", "reject"),
        ("v=DMARC1; p=reject; pct=junk; x-new=1", "reject"),
        ("v=DMARC1; p=reject; adkim=junk; psd=junk; t=junk", "reject"),
        ("v=DMARC1; sp=none; rua=mailto:a@example.com; p=reject", "reject"),
        ("v=DMARC1; p=reject; t=y", "quarantine"),
        ("v=DMARC1; p=quarantine; t=Y", "none"),
        ("v=DMARC1; p=none; t=y", "none"),
        ("v=DMARC1; p=reject; t=n", "reject"),
        # Section 4.10.1: without a valid policy, the owner takes part only to get reports.
        ("v=DMARC1", ""),
        ("v=DMARC1; p=", ""),
        ("v=DMARC1; p=rejected", ""),
        ("v=DMARC1; p=reject; sp=never", ""),
        ("v=DMARC1; p=reject; np=never; rua=a@example.com", ""),
        ("v=DMARC1; p=junk; rua=mailto:a@example.com", "none"),
        ("v=DMARC1; rua=a@example.com, mailto:a@example.com", "none"),
    ],
)
def test_a_bad_tag_is_ignored_and_not_the_record(record: str, policy: str) -> None:
    result = look_up_policy("example.com", PolicyDns(example_com=record))
    assert (result.policy, result.is_published) == (policy, True)


def test_several_records_are_none_but_other_records_beside_one_do_no_harm() -> None:
    twice = ["v=DMARC1; p=reject", "v=DMARC1; p=none"]
    assert look_up_policy("example.com", PolicyDns(example_com=twice)) == NOTHING
    beside = ["v=DMARC1; p=reject", "v=spf1 -all", "verification=1"]
    assert look_up_policy("example.com", PolicyDns(example_com=beside)).policy == "reject"
    below = PolicyDns(a_example_com=twice, example_com="v=DMARC1; p=reject")
    assert look_up_policy("a.example.com", below).policy == "reject"


@pytest.mark.parametrize(
    ("domain", "policy"),
    [
        ("example.com", "reject"),
        ("here.example.com", "quarantine"),
        ("gone.example.com", "none"),
        ("own.example.com", "none"),
        ("x.own.example.com", "none"),
        ("a.b.middle.test", "reject"),
        ("a.gov.test", "quarantine"),
        ("x.a.gov.test", "quarantine"),
        ("x.agency.gov.test", "none"),
        ("gov.test", "reject"),
        ("x.one.github.io", "reject"),
        ("two.github.io", ""),
        ("other.org", ""),
    ],
)
def test_the_policy_is_that_of_the_domain_its_organisation_or_its_suffix(
    domain: str, policy: str
) -> None:
    dns = PolicyDns(
        "here.example.com",
        example_com="v=DMARC1; p=reject; sp=quarantine; np=none",
        own_example_com="v=DMARC1; p=none; sp=reject",
        b_middle_test="v=DMARC1; p=reject",
        gov_test="v=DMARC1; p=reject; sp=quarantine; psd=y",
        agency_gov_test="v=DMARC1; p=none",
        one_github_io="v=DMARC1; p=reject",
    )
    assert look_up_policy(domain, dns).policy == policy


@pytest.mark.parametrize(
    ("tags", "dkim", "spf"),
    [
        ("; p=none", False, False),
        ("; p=none; adkim=r; aspf=r", False, False),
        ("; p=none; adkim=s", True, False),
        ("; p=none; aspf=S", False, True),
        ("; p=none; adkim=strict; aspf=x", False, False),
        (";; p=reject; adkim=s", True, False),
        ("; junk; p=reject; p=reject; adkim=s", True, False),
        ("; p=junk; adkim=s; aspf=s", True, True),
        ("; p=none; adkim=s; adkim=r", True, False),
    ],
)
def test_no_slip_makes_alignment_less_strict(tags: str, dkim: bool, spf: bool) -> None:
    policy = look_up_policy("example.com", PolicyDns(example_com=f"v=DMARC1{tags}"))
    assert (policy.strict_dkim, policy.strict_spf) == (dkim, spf)


@pytest.mark.parametrize(
    ("domain", "organisation"),
    [
        ("mail.example.com", "example.com"),
        ("example.com", "example.com"),
        ("a.part.example.com", "part.example.com"),
        ("a.gov.test", "a.gov.test"),
        ("x.a.gov.test", "a.gov.test"),
        ("gov.test", "gov.test"),
        ("a.b.other.org", "a.b.other.org"),
    ],
)
def test_the_tree_walk_finds_the_organisation(domain: str, organisation: str) -> None:
    dns = PolicyDns(
        example_com="v=DMARC1; p=reject",
        mail_example_com="v=DMARC1; p=none",
        part_example_com="v=DMARC1; p=none; psd=n",
        gov_test="v=DMARC1; p=none; psd=y",
    )
    assert find_organisation(domain, dns) == organisation


def test_a_walk_asks_eight_times_at_most_and_once_where_that_is_enough() -> None:
    dns = PolicyDns()
    look_up_policy("a.b.c.d.e.f.g.h.example.com", dns)
    labels = ["d", "e", "f", "g", "h", "example", "com"]
    shorter = [".".join(labels[start:]) for start in range(7)]
    assert dns.queries == [f"_dmarc.{name}" for name in ("a.b.c.d.e.f.g.h.example.com", *shorter)]
    published = PolicyDns(example_com="v=DMARC1; p=reject; np=none")
    look_up_policy("example.com", published)
    assert published.queries == ["_dmarc.example.com"]


@pytest.mark.parametrize("silent", ["_dmarc.a.example.com", "_dmarc.example.com", "_dmarc.com"])
def test_silence_is_distinguished_from_absence(silent: str) -> None:
    dns = PolicyDns()
    dns.silent = silent
    policy = look_up_policy("a.example.com", dns)
    assert policy == DmarcPolicy("", False, None, None, "DNS did not answer")
    assert NOTHING.dns_failure == ""


def test_silence_about_a_subdomain_leaves_only_its_policy_open() -> None:
    class Dns(PolicyDns):
        def exists(self, name: str) -> bool:
            raise DnsUnavailableError("DNS did not answer")

    policy = look_up_policy(
        "a.example.com", Dns(example_com="v=DMARC1; p=none; np=reject; adkim=s")
    )
    assert policy == DmarcPolicy("", True, True, False, "DNS did not answer")


@pytest.mark.parametrize(
    ("sender", "organisation"),
    [
        ("mail.example.com", "example.com"),
        ("a.part.example.com", "part.example.com"),
        ("a.gov.test", "a.gov.test"),
        ("x.one.github.io", "one.github.io"),
        ("a.other.org", "other.org"),
    ],
)
def test_the_organisation_of_from_is_the_narrower_of_list_and_walk(
    sender: str, organisation: str
) -> None:
    dns = PolicyDns(
        example_com="v=DMARC1; p=reject",
        part_example_com="v=DMARC1; p=none; psd=n",
        gov_test="v=DMARC1; p=none; psd=y",
        github_io="v=DMARC1; p=none",
    )
    policy = look_up_policy(sender, dns)
    assert Alignment(sender, policy, dns).get_organisation() == organisation
