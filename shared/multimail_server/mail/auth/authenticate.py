"""Authentication: raw bytes, the SMTP envelope and DNS to the evidence about who sent a message.

DKIM (RFC 6376, 8463), SPF (RFC 7208), DMARC by either (RFC 7489), ARC (RFC 8617).
Authentication-Results and ARC-Authentication-Results that came with a message are never read.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from multimail.trust.evidence import (
    Authentication,
    AuthResult,
    DkimEvidence,
    DmarcEvidence,
    SpfEvidence,
)

from ..addresses import Unusable, read_from
from ..envelope import SmtpEnvelope
from ..headers import HeaderBlock, read_headers
from .alignment import is_aligned, organisational_domain
from .arc import check_arc
from .dkim import Signature, Verdict, judge, read_signature
from .dkim_crypto import Verifier
from .dmarc import DmarcRecord, find_record
from .dns import Budgets, Resolver
from .spf import check_envelope, envelope_domain

MAX_SIGNATURES = 8
_ONCE = (
    "from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references",
    "subject", "date", "mime-version", "content-type", "content-transfer-encoding",
)  # fmt: skip
_MALFORMED = Verdict(AuthResult.POLICY, "the header block is malformed")


def authenticate(
    raw: bytes,
    resolver: Resolver,
    envelope: SmtpEnvelope | None = None,
    now: datetime | None = None,
    headers: HeaderBlock | None = None,
) -> Authentication:
    """Return the evidence about a message. It never raises, whatever the bytes.

    The header block is checked before any signature: where From is unreliable nothing can vouch
    for it, and DNS is not asked. At most 8 signatures are looked at. One passes only if it
    verifies and nothing that a reader sees stands outside of it; one that verifies and does not
    meet this is `policy`. A method for which DNS gave no answer, or for which this message's
    share of DNS was used up, is `temperror`.

    Args:
        raw: The whole message, as it was received.
        resolver: Where keys and policies are looked up.
        envelope: How it came, for SPF; None, or without a peer, when it did not come by SMTP.
        now: The time by which signatures expire; None for the machine's.
        headers: The header block of `raw`, if it was read before.

    Sources: RFC 5322 section 3.6 (structure), RFC 6376 sections 3.5, 6.1 and 8, RFC 8301
    (no SHA-1, no keys under 1,024 bits), RFC 7208, RFC 7489 sections 3.1 and 6.6, RFC 8617,
    RFC 8601 (results).
    """
    headers = headers or read_headers(raw)
    faults = structural_faults(headers)
    sender = _sender_domain(headers)
    if faults or not sender:
        return _forged(headers, faults)
    budgets = Budgets(resolver)
    record = find_record(sender, budgets.near)
    verifier, moment = Verifier(raw), now or datetime.now(UTC)

    def check(signature: Signature) -> DkimEvidence:
        aligned = is_aligned(signature.domain, sender, strict=record.strict_dkim)
        verdict = judge(signature, headers, budgets.of(aligned), verifier, moment)
        return _evidence(signature, verdict, aligned=aligned)

    dkim = tuple(map(check, _signatures(headers)))
    spf = _spf(envelope, sender, record, budgets) if envelope else None
    return Authentication(
        dkim=dkim,
        spf=spf,
        dmarc=_dmarc(sender, record, dkim, spf),
        arc=check_arc(raw, headers, budgets.far),
    )


def _spf(
    envelope: SmtpEnvelope, sender: str, record: DmarcRecord, budgets: Budgets
) -> SpfEvidence | None:
    aligned = is_aligned(envelope_domain(envelope), sender, strict=record.strict_spf)
    return check_envelope(envelope, budgets.of(aligned), budgets.far, aligned=aligned)


def _signatures(headers: HeaderBlock) -> list[Signature]:
    values = headers.all("dkim-signature")[:MAX_SIGNATURES]
    return [read_signature(index, value) for index, value in enumerate(values)]


def _forged(headers: HeaderBlock, faults: tuple[str, ...]) -> Authentication:
    return Authentication(
        dkim=tuple(_evidence(one, _MALFORMED, aligned=False) for one in _signatures(headers)),
        dmarc=DmarcEvidence(result=AuthResult.PERMERROR, reason="From is unusable"),
        structure=faults,
    )


def structural_faults(headers: HeaderBlock) -> tuple[str, ...]:
    """Return what makes From unreliable before any signature is looked at, in plain words."""
    faults = list(headers.faults)
    count = Counter(field.name for field in headers.fields)
    faults += [
        f"the field {name.title()} stands {count[name]} times" for name in _ONCE if count[name] > 1
    ]
    if not count["from"]:
        faults.append("there is no From")
    for value in headers.all("from")[:1]:
        try:
            read_from(value)
        except Unusable as error:
            faults.append(f"From {error}")
    return tuple(faults)


def _sender_domain(headers: HeaderBlock) -> str:
    try:
        return read_from(headers.first("from")).domain
    except Unusable:
        return ""


def _evidence(signature: Signature, verdict: Verdict, *, aligned: bool | None) -> DkimEvidence:
    return DkimEvidence(
        domain=signature.domain,
        selector=signature.selector,
        result=verdict.result,
        aligned=aligned,
        reason=verdict.reason,
    )


def _dmarc(
    sender: str, record: DmarcRecord, dkim: tuple[DkimEvidence, ...], spf: SpfEvidence | None
) -> DmarcEvidence:
    result, reason = _outcome(record, dkim, spf)
    return DmarcEvidence(
        result=result,
        domain=organisational_domain(sender),
        policy=record.policy,
        reason=reason,
    )


def _outcome(
    record: DmarcRecord, dkim: tuple[DkimEvidence, ...], spf: SpfEvidence | None
) -> tuple[AuthResult, str]:
    if record.silence:
        return AuthResult.TEMPERROR, f"no policy was found: {record.silence}"
    if not record.policy:
        return AuthResult.NONE, "the domain publishes no policy"
    methods: list[DkimEvidence | SpfEvidence] = [*dkim, *([spf] if spf else [])]
    # What is not aligned could not have helped, so its silence is no excuse.
    aligned = [method for method in methods if method.aligned]
    if any(method.result is AuthResult.PASS for method in aligned):
        return AuthResult.PASS, ""
    for method in aligned:
        if method.result is AuthResult.TEMPERROR:
            return AuthResult.TEMPERROR, method.reason
    return AuthResult.FAIL, "nothing that passed speaks for the domain in From"
