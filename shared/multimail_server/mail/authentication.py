"""Authentication: raw bytes and DNS to the evidence about who sent a message.

So far DKIM (RFC 6376, 8463) and DMARC by DKIM (RFC 7489). SPF and ARC are not evaluated: `spf`
and `arc` are None, and a domain that vouches for its mail by SPF alone looks unvouched for.
Authentication-Results that came with a message are never read.
"""

from __future__ import annotations

from collections import Counter

from multimail.trust.evidence import Authentication, AuthResult, DkimEvidence, DmarcEvidence

from .address_list import Unusable, read_from
from .alignment import is_aligned, organisational_domain
from .dkim_library import Verifier
from .dkim_signature import Signature, Verdict, judge, read_signature
from .dmarc import DmarcRecord, find_record
from .dns import Resolver
from .headers import HeaderBlock, read_headers

MOST_SIGNATURES = 8
_ONCE = (
    "from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references",
    "subject", "date", "mime-version", "content-type", "content-transfer-encoding",
)  # fmt: skip
_MALFORMED = Verdict(AuthResult.POLICY, "the header block is malformed")


def authenticate(raw: bytes, resolver: Resolver) -> Authentication:
    """Return the evidence about a message. It never raises, whatever the bytes.

    The header block is checked before any signature: where From is unreliable no signature
    can vouch for it, and DNS is not asked. At most 8 signatures are looked at. One passes only
    if it verifies and nothing that a reader sees stands outside of it; one that verifies and
    does not meet this is `policy`.

    Args:
        raw: The whole message, as it was received.
        resolver: Where keys and policies are looked up.

    Sources: RFC 5322 section 3.6 (structure), RFC 6376 sections 3.5, 6.1 and 8, RFC 8301
    (no SHA-1, no keys under 1,024 bits), RFC 7489 sections 3.1 and 6.6, RFC 8601 (results).
    """
    headers = read_headers(raw)
    faults = structural_faults(headers)
    sender = _sender_domain(headers)
    signatures = [
        read_signature(index, value)
        for index, value in enumerate(headers.all("dkim-signature")[:MOST_SIGNATURES])
    ]
    if faults or not sender:
        return Authentication(
            dkim=tuple(_evidence(one, _MALFORMED, aligned=False) for one in signatures),
            dmarc=DmarcEvidence(result=AuthResult.PERMERROR, reason="From is unusable"),
            structure=faults,
        )
    record = find_record(sender, resolver)
    verifier = Verifier(raw)
    dkim = tuple(
        _evidence(
            one,
            judge(one, headers, resolver, verifier),
            aligned=is_aligned(one.domain, sender, strict=record.strict_dkim),
        )
        for one in signatures
    )
    return Authentication(dkim=dkim, dmarc=_dmarc(sender, record, dkim))


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


def _dmarc(sender: str, record: DmarcRecord, dkim: tuple[DkimEvidence, ...]) -> DmarcEvidence:
    result, reason = _outcome(record, dkim)
    return DmarcEvidence(
        result=result,
        domain=organisational_domain(sender),
        policy=record.policy,
        reason=reason,
    )


def _outcome(record: DmarcRecord, dkim: tuple[DkimEvidence, ...]) -> tuple[AuthResult, str]:
    if not record.answered:
        return AuthResult.TEMPERROR, "DNS did not answer when asked for the policy"
    if not record.policy:
        return AuthResult.NONE, "the domain publishes no policy"
    aligned = {signature.result for signature in dkim if signature.aligned}
    if AuthResult.PASS in aligned:
        return AuthResult.PASS, ""
    # An unaligned signature could not have helped, so its silence is no excuse.
    if AuthResult.TEMPERROR in aligned:
        return AuthResult.TEMPERROR, "DNS did not answer when asked for the key"
    return AuthResult.FAIL, "no signature that passed speaks for the domain in From"
