"""The evidence of mail that was read from a mailbox: no client's address, and maybe another body.

SPF cannot be checked. Some providers rewrite bodies, which breaks honest signatures. So a missing
or broken signature proves nothing here: its result is `unknown`. Only the provider's own result can
say more, and only that DMARC failed.

Anyone can write an Authentication-Results field. The provider's own is known by its form, which is
pinned for each provider, and by its place: above the first `Received` field that another host
wrote (RFC 8601 section 5). Any other field is never read.
"""

from __future__ import annotations

import re
from typing import Protocol

from multimail.trust.evidence import Authentication, AuthResult, DmarcEvidence

from ..headers import HeaderBlock, unfold

_NOT_CHECKED = "a mailbox cannot tell: its provider may have rewritten the message"
_BY = re.compile(r"\bby\s+([^\s;()]+)", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()]*\)")
_METHOD = re.compile(r"[a-z][a-z0-9.-]*\s*=", re.IGNORECASE)


class ResultForm(Protocol):
    """The form of a provider's own result; see `sources.providers.Provider`."""

    @property
    def authserv(self) -> re.Pattern[str] | None: ...
    @property
    def received_by(self) -> re.Pattern[str] | None: ...


def soften_evidence(
    evidence: Authentication, headers: HeaderBlock, form: ResultForm | None
) -> Authentication:
    """Return what the evidence of `authenticate` proves about mail that was read from a mailbox.

    Args:
        evidence: Of the message's bytes.
        headers: Its header block.
        form: Of its provider's own result; None where none is pinned.
    """
    if evidence.structure:
        return evidence
    dkim = tuple(
        signature
        if signature.result in (AuthResult.PASS, AuthResult.TEMPERROR)
        else signature.model_copy(update={"result": AuthResult.UNKNOWN, "reason": _NOT_CHECKED})
        for signature in evidence.dkim
    )
    dmarc = evidence.dmarc or DmarcEvidence()
    if dmarc.result not in (AuthResult.PASS, AuthResult.TEMPERROR):
        failed = form is not None and find_provider_dmarc(headers, form) == "fail"
        result = AuthResult.FAIL if failed else AuthResult.UNKNOWN
        reason = "the mailbox's provider says so" if failed else _NOT_CHECKED
        dmarc = dmarc.model_copy(update={"result": result, "reason": reason})
    return evidence.model_copy(update={"dkim": dkim, "dmarc": dmarc})


def find_provider_dmarc(headers: HeaderBlock, form: ResultForm) -> str:
    """Return the DMARC result of the provider's own Authentication-Results; empty if none."""
    if form.authserv is None or form.received_by is None:
        return ""
    for field in headers.fields:
        if field.name == "received":
            by = _BY.search(unfold(field.value))
            if by is None or not form.received_by.fullmatch(by[1].lower()):
                return ""
        elif field.name == "authentication-results":
            authserv, methods = _split_result(unfold(field.value))
            if form.authserv.fullmatch(authserv):
                return methods.get("dmarc", "")
    return ""


def _split_result(value: str) -> tuple[str, dict[str, str]]:
    """Return the authserv-id, empty if there is none, and the result of each method."""
    text = value
    while (bare := _COMMENT.sub(" ", text)) != text:
        text = bare
    first, *rest = (part.strip() for part in text.split(";"))
    if _METHOD.match(first):
        authserv, parts = "", [first, *rest]
    else:
        authserv, parts = first.partition(" ")[0].lower(), rest
    methods: dict[str, str] = {}
    for part in parts:
        name, sign, result = part.partition("=")
        if sign:
            methods.setdefault(
                name.strip().lower(), result.split()[0].lower() if result.split() else ""
            )
    return authserv, methods
