"""Answers about outbound mail alone: domains, the signing key, and the suppression list."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .messages import Answered, Time


class DnsRecordAnswer(Answered):
    """A DNS record to publish, and what the last check found."""

    purpose: Literal["dkim_rsa", "dkim_ed25519", "spf", "dmarc", "mx"]
    type: Literal["TXT", "MX"]
    name: str
    value: str
    required: Annotated[bool, Field(description="Whether nothing is verified without it.")]
    status: Literal["found", "other", "missing", "unknown"]


class DomainAnswer(Answered):
    """A domain with the DNS records to publish."""

    id: str
    domain: str
    name: str
    status: Literal["verified", "pending"]
    verified: bool
    verified_at: Time | None
    checked_at: Time | None
    created_at: Time
    dns_records: list[DnsRecordAnswer]


class DomainsAnswer(Answered):
    """The account's domains, oldest first."""

    domains: list[DomainAnswer]


class JwkAnswer(Answered):
    """A public key as a JSON Web Key (RFC 7517)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    use: Literal["sig"]
    alg: Literal["ES256"]


class SigningKeyAnswer(Answered):
    """The public half of the key that signs the identity field of outbound mail."""

    kid: str
    algorithm: Literal["ES256"]
    public_key: Annotated[str, Field(description="PEM.")]
    jwk: JwkAnswer


class SuppressionAnswer(Answered):
    """An address that gets no mail any more, and why."""

    id: str
    address: str
    email: str
    reason: Literal["bounce", "complaint", "unsubscribe"]
    code: Annotated[int | None, Field(description="The SMTP reply's, of a bounce.")]
    detail: str | None
    mailbox_id: str | None
    message_id: str | None
    created_at: Time


class SuppressionsAnswer(Answered):
    """A page of the list, newest first; `suppression` holds the same rows as `suppressions`."""

    suppressions: list[SuppressionAnswer]
    suppression: list[SuppressionAnswer]
    cursor: str | None


class ReleasedAnswer(Answered):
    """An address that can get mail again."""

    address: str
    status: Literal["deleted"]


class UnsubscribeForm(Answered):
    """The form behind List-Unsubscribe; RFC 8058's one click sends other fields, which are fine."""

    address: Annotated[
        str, Field(max_length=254, description="Needed where the message had several recipients.")
    ] = ""
