"""Authentication: the evidence about who sent a message, from its bytes, its envelope and DNS.

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

from ..addresses import InvalidMailboxError, parse_from
from ..envelope import SmtpEnvelope
from ..headers import HeaderBlock, read_headers, unfold
from .alignment import get_organisational_domain, is_aligned
from .arc import check_arc
from .dkim import (
    Signature,
    SignatureResult,
    evaluate_signature,
    find_covered_fields,
    parse_signature,
)
from .dkim_crypto import CanonicalMessage
from .dmarc import DmarcRecord, look_up_policy
from .dns import DnsBudgets, Resolver
from .spf import check_spf, get_spf_domain

MAX_SIGNATURES = 8
_SINGLE_FIELDS = (
    "from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references",
    "subject", "date", "mime-version", "content-type", "content-transfer-encoding",
)  # fmt: skip
_MALFORMED_HEADER = SignatureResult(AuthResult.POLICY, "the header block is malformed")


def authenticate(
    raw: bytes,
    resolver: Resolver,
    envelope: SmtpEnvelope | None = None,
    now: datetime | None = None,
    headers: HeaderBlock | None = None,
) -> Authentication:
    """Return the evidence about a message. It never raises, whatever the bytes.

    The header block is checked before any signature: where From is unreliable, no method can
    vouch for it, and DNS is not asked. At most 8 signatures are evaluated. One passes only if it
    verifies and covers everything that a reader sees; one that only verifies is `policy`. A
    method for which DNS gave no answer, or for which this message's DNS budget was used up, is
    `temperror`.

    Args:
        raw: The whole message, as it was received.
        resolver: Looks up keys and policies.
        envelope: The SMTP envelope, for SPF; None, or without a peer, when there was none.
        now: The time by which signatures expire; None for the machine's.
        headers: The header block of `raw`, if it was already parsed.

    Sources: RFC 5322 section 3.6 (structure), RFC 6376 sections 3.5, 6.1 and 8, RFC 8301
    (no SHA-1, no keys under 1,024 bits), RFC 7208, RFC 7489 sections 3.1 and 6.6, RFC 8617,
    RFC 8601 (results).
    """
    headers = headers or read_headers(raw)
    faults = find_structural_faults(headers)
    sender = _get_sender_domain(headers)
    if faults or not sender:
        return _reject_structure(headers, faults)
    now = now or datetime.now(UTC)
    budgets = DnsBudgets(resolver)
    policy = look_up_policy(sender, budgets.aligned)
    message = CanonicalMessage(raw, headers)

    def check(signature: Signature) -> DkimEvidence:
        aligned = is_aligned(signature.domain, sender, strict=policy.strict_dkim)
        result = evaluate_signature(signature, message, budgets.choose(aligned), now)
        evidence = _to_evidence(signature, result, aligned=aligned)
        if result.result is not AuthResult.PASS:
            return evidence
        covers = find_covered_fields(signature.tags["h"], message)
        return evidence.model_copy(update={"covers": covers})

    dkim = tuple(map(check, _parse_signatures(headers)))
    spf = _check_spf(envelope, sender, policy, budgets) if envelope else None
    return Authentication(
        dkim=dkim,
        spf=spf,
        dmarc=_to_dmarc_evidence(sender, policy, dkim, spf),
        arc=check_arc(message, budgets.unaligned, now),
    )


def _check_spf(
    envelope: SmtpEnvelope, sender: str, policy: DmarcRecord, budgets: DnsBudgets
) -> SpfEvidence | None:
    aligned = is_aligned(get_spf_domain(envelope), sender, strict=policy.strict_spf)
    return check_spf(envelope, budgets.choose(aligned), budgets.unaligned, aligned=aligned)


def _parse_signatures(headers: HeaderBlock) -> list[Signature]:
    fields = [field for field in headers.fields if field.name == "dkim-signature"]
    return [parse_signature(field) for field in fields[:MAX_SIGNATURES]]


def _reject_structure(headers: HeaderBlock, faults: tuple[str, ...]) -> Authentication:
    return Authentication(
        dkim=tuple(
            _to_evidence(signature, _MALFORMED_HEADER, aligned=False)
            for signature in _parse_signatures(headers)
        ),
        dmarc=DmarcEvidence(result=AuthResult.PERMERROR, reason="From is unusable"),
        structure=faults,
    )


def find_structural_faults(headers: HeaderBlock) -> tuple[str, ...]:
    """Return what makes From unreliable before any signature is checked, in plain words."""
    faults = list(headers.faults)
    count = Counter(field.name for field in headers.fields)
    faults += [
        f"the field {name.title()} occurs {count[name]} times"
        for name in _SINGLE_FIELDS
        if count[name] > 1 and not _is_repeated_type(headers, name)
    ]
    if not count["from"]:
        faults.append("there is no From")
    for value in headers.all("from")[:1]:
        try:
            parse_from(value)
        except InvalidMailboxError as error:
            faults.append(f"From {error}")
    return tuple(faults)


def _is_repeated_type(headers: HeaderBlock, name: str) -> bool:
    """Return whether a field of MIME stands there twice with one value, which no program doubts."""
    is_mime = name.startswith("content-") or name == "mime-version"
    return is_mime and len(set(map(unfold, headers.all(name)))) == 1


def _get_sender_domain(headers: HeaderBlock) -> str:
    try:
        return parse_from(headers.first("from")).domain
    except InvalidMailboxError:
        return ""


def _to_evidence(
    signature: Signature, result: SignatureResult, *, aligned: bool | None
) -> DkimEvidence:
    return DkimEvidence(
        domain=signature.domain,
        selector=signature.selector,
        result=result.result,
        aligned=aligned,
        reason=result.reason,
    )


def _to_dmarc_evidence(
    sender: str, policy: DmarcRecord, dkim: tuple[DkimEvidence, ...], spf: SpfEvidence | None
) -> DmarcEvidence:
    result, reason = _evaluate_dmarc(policy, dkim, spf)
    return DmarcEvidence(
        result=result,
        domain=get_organisational_domain(sender),
        policy=policy.policy,
        reason=reason,
    )


def _evaluate_dmarc(
    policy: DmarcRecord, dkim: tuple[DkimEvidence, ...], spf: SpfEvidence | None
) -> tuple[AuthResult, str]:
    if policy.dns_failure:
        return AuthResult.TEMPERROR, f"no policy was found: {policy.dns_failure}"
    if not policy.policy:
        return AuthResult.NONE, "the domain publishes no policy"
    methods: list[DkimEvidence | SpfEvidence] = [*dkim, *([spf] if spf else [])]
    # A method that is not aligned could not have helped, so a failure of its DNS is no excuse.
    aligned = [method for method in methods if method.aligned]
    if any(method.result is AuthResult.PASS for method in aligned):
        return AuthResult.PASS, ""
    for method in aligned:
        if method.result is AuthResult.TEMPERROR:
            return AuthResult.TEMPERROR, method.reason
    return AuthResult.FAIL, "nothing that passed speaks for the domain in From"
