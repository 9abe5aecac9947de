"""Authentication: the evidence about who sent a message, from its bytes, its envelope and DNS.

DKIM (RFC 6376, 8463), SPF (RFC 7208), DMARC by either (RFC 9989), ARC (RFC 8617).
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
from .alignment import Alignment
from .arc import check_arc
from .dkim import (
    Signature,
    SignatureResult,
    evaluate_signature,
    find_covered_fields,
    parse_signature,
)
from .dkim_crypto import CanonicalMessage
from .dmarc import DmarcPolicy, look_up_policy
from .dns import DnsBudgets, Resolver
from .spf import check_spf, get_spf_domain

MAX_KEYS = 8
MAX_SIGNATURES = 50
_SINGLE_FIELDS = (
    "from", "sender", "reply-to", "in-reply-to", "subject", "date", "content-type",
    "content-transfer-encoding",
)  # fmt: skip
_REPEATABLE_IF_SIGNED = ("to", "cc", "message-id", "references", "mime-version")
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
    vouch for it, and DNS is not asked. A field that is repeated, or a mail store's line above the
    fields, does no harm where an aligned signature covers every instance.

    Signatures of at most 8 keys are evaluated, those that may be aligned first, and at most 50 in
    all. One passes only if it verifies and covers everything that a reader sees; one that only
    verifies is `policy`. A method for which DNS gave no answer, or for which this message's DNS
    budget was used up, is `temperror`.

    Args:
        raw: The whole message, as it was received.
        resolver: Looks up keys and policies.
        envelope: The SMTP envelope, for SPF; None, or without a peer, when there was none.
        now: The time by which signatures expire; None for the machine's.
        headers: The header block of `raw`, if it was already parsed.

    Sources: RFC 5322 section 3.6 (structure), RFC 6376 sections 3.5, 6.1 and 8, RFC 8301
    (no SHA-1, no keys under 1,024 bits), RFC 7208, RFC 9989 sections 4.4 and 4.10, RFC 8617,
    RFC 8601 (results).
    """
    headers = headers or read_headers(raw)
    now = now or datetime.now(UTC)
    faults, slips = find_structural_faults(headers), _find_slips(headers)
    sender = _get_sender_domain(headers)
    if faults or not sender:
        return _reject_structure(headers, (*faults, *slips))
    budgets = DnsBudgets(resolver)
    policy = look_up_policy(sender, budgets.aligned)
    alignment = Alignment(sender, policy, budgets.aligned)
    message = CanonicalMessage(raw, headers)

    def check(signature: Signature) -> DkimEvidence:
        may_align = alignment.is_possible(signature.domain, strict=policy.strict_dkim)
        result = evaluate_signature(signature, message, budgets.choose(may_align), now)
        aligned = alignment.confirm(signature.domain, may_align, result.result)
        evidence = _to_evidence(signature, result, aligned=aligned)
        if result.result is not AuthResult.PASS:
            return evidence
        covers = find_covered_fields(signature.tags["h"], message)
        return evidence.model_copy(update={"covers": covers})

    dkim = tuple(map(check, _choose_signatures(headers, alignment, policy)))
    if slips and not any(_vouches_for_repeats(evidence, headers) for evidence in dkim):
        return _reject_structure(headers, slips)
    spf = _check_spf(envelope, alignment, policy, budgets) if envelope else None
    return Authentication(
        dkim=dkim,
        spf=spf,
        dmarc=_to_dmarc_evidence(alignment.get_organisation(), policy, dkim, spf),
        arc=check_arc(message, budgets.unaligned, now),
        flags=slips,
    )


def _check_spf(
    envelope: SmtpEnvelope, alignment: Alignment, policy: DmarcPolicy, budgets: DnsBudgets
) -> SpfEvidence | None:
    domain = get_spf_domain(envelope)
    may_align = alignment.is_possible(domain, strict=policy.strict_spf)
    evidence = check_spf(envelope, budgets.choose(may_align), budgets.unaligned, aligned=may_align)
    if evidence is None:
        return None
    aligned = alignment.confirm(domain, may_align, evidence.result)
    return evidence.model_copy(update={"aligned": aligned})


def _choose_signatures(
    headers: HeaderBlock, alignment: Alignment, policy: DmarcPolicy
) -> list[Signature]:
    """Return the signatures to evaluate, those that may be aligned first."""
    signatures = sorted(
        _parse_signatures(headers),
        key=lambda item: alignment.is_possible(item.domain, strict=policy.strict_dkim) is False,
    )
    # The limit is on keys, since each costs a query; of one key, many broken signatures may come
    # before the one that is whole.
    keys = list(dict.fromkeys((item.domain, item.selector) for item in signatures))[:MAX_KEYS]
    chosen = [item for item in signatures if (item.domain, item.selector) in keys]
    return chosen[:MAX_SIGNATURES]


def _parse_signatures(headers: HeaderBlock) -> list[Signature]:
    return [parse_signature(field) for field in headers.fields if field.name == "dkim-signature"]


def _vouches_for_repeats(evidence: DkimEvidence, headers: HeaderBlock) -> bool:
    """Return whether a signature is aligned, passed, and covers each instance of what repeats."""
    if evidence.result is not AuthResult.PASS or not evidence.aligned:
        return False
    return set(evidence.covers).issuperset(_find_repeats(headers, _REPEATABLE_IF_SIGNED))


def _reject_structure(headers: HeaderBlock, faults: tuple[str, ...]) -> Authentication:
    return Authentication(
        dkim=tuple(
            _to_evidence(signature, _MALFORMED_HEADER, aligned=False)
            for signature in _parse_signatures(headers)[:MAX_KEYS]
        ),
        dmarc=DmarcEvidence(result=AuthResult.PERMERROR, reason="From is unusable"),
        structure=faults,
    )


def find_structural_faults(headers: HeaderBlock) -> tuple[str, ...]:
    """Return what makes From unreliable before any signature is checked, in plain words."""
    faults = [*headers.faults, *_name_repeats(headers, _SINGLE_FIELDS)]
    values = headers.all("from")
    if not values:
        faults.append("there is no From")
    for value in values[:1]:
        try:
            parse_from(value)
        except InvalidMailboxError as error:
            faults.append(f"From {error}")
    return tuple(faults)


def _find_slips(headers: HeaderBlock) -> tuple[str, ...]:
    """Return what is a fault unless a signature shows that it came so from the sender."""
    line = ["a mail store's separator line stands above the header"] * headers.has_mbox_line
    return (*line, *_name_repeats(headers, _REPEATABLE_IF_SIGNED))


def _name_repeats(headers: HeaderBlock, names: tuple[str, ...]) -> list[str]:
    return [
        f"the field {name.title()} occurs {len(headers.all(name))} times"
        for name in _find_repeats(headers, names)
    ]


def _find_repeats(headers: HeaderBlock, names: tuple[str, ...]) -> list[str]:
    count = Counter(field.name for field in headers.fields)
    return [name for name in names if count[name] > 1 and not _is_repeated_type(headers, name)]


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
    organisation: str, policy: DmarcPolicy, dkim: tuple[DkimEvidence, ...], spf: SpfEvidence | None
) -> DmarcEvidence:
    result, reason = _evaluate_dmarc(policy, dkim, spf)
    return DmarcEvidence(
        result=result,
        domain=organisation,
        policy=policy.policy,
        reason=reason,
    )


def _evaluate_dmarc(
    policy: DmarcPolicy, dkim: tuple[DkimEvidence, ...], spf: SpfEvidence | None
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
    if any(method.result is AuthResult.PASS and method.aligned is None for method in methods):
        return AuthResult.TEMPERROR, "DNS did not say where the organisation in From ends"
    return AuthResult.FAIL, "nothing that passed speaks for the domain in From"
