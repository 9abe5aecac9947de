"""Schemas of sending domains, the signing key and the suppression list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NotRequired

from pydantic import AliasChoices, Field
from typing_extensions import TypedDict

from ...mail.identity import IdentityKey
from ...services.domains import DnsRecord
from ...store.records import Domain, Suppression
from .base import Line, RequestModel, Time, one_of, to_optional_time, to_wire_time


class DomainIn(RequestModel):
    """A new domain."""

    domain: Annotated[
        Line,
        Field(min_length=1, max_length=253, validation_alias=AliasChoices("domain", "name")),
    ]


class UnsubscribeForm(TypedDict):
    """The form behind List-Unsubscribe; other fields are ignored, such as those of RFC 8058."""

    address: NotRequired[
        Annotated[
            str,
            Field(max_length=254, description="Needed where the message had several recipients."),
        ]
    ]


class DnsRecordOut(TypedDict):
    """A DNS record to publish, and the result of the last check."""

    purpose: Annotated[
        str,
        one_of("dkim_rsa", "dkim_ed25519", "spf", "dmarc", "mx"),
    ]
    type: Annotated[str, one_of("TXT", "MX")]
    name: str
    value: str
    required: Annotated[
        bool, Field(description="Whether the domain is unverified without the record.")
    ]
    status: Annotated[
        str,
        one_of("found", "other", "missing", "unknown"),
    ]


class DomainOut(TypedDict):
    """A domain with the DNS records to publish."""

    id: str
    domain: str
    name: str
    status: Literal["verified", "pending"]
    verified: bool
    verified_at: Time | None
    checked_at: Time | None
    created_at: Time
    dns_records: list[DnsRecordOut]


class DomainsOut(TypedDict):
    """The account's domains, oldest first."""

    domains: list[DomainOut]


class JwkOut(TypedDict):
    """A public key as a JSON Web Key (RFC 7517)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    use: Literal["sig"]
    alg: Literal["ES256"]


class SigningKeyOut(TypedDict):
    """The public half of the key that signs the identity header of outbound mail."""

    kid: str
    algorithm: Literal["ES256"]
    public_key: Annotated[str, Field(description="PEM.")]
    jwk: JwkOut


class SuppressionOut(TypedDict):
    """An address that gets no mail any more, and why."""

    id: str
    address: str
    email: str
    reason: Annotated[str, one_of("bounce", "complaint", "unsubscribe")]
    code: Annotated[int | None, Field(description="The SMTP reply's, for a bounce.")]
    detail: str | None
    mailbox_id: str | None
    message_id: str | None
    created_at: Time


class SuppressionsOut(TypedDict):
    """A page of the list, newest first; `suppression` holds the same rows as `suppressions`."""

    suppressions: list[SuppressionOut]
    suppression: list[SuppressionOut]
    cursor: str | None


class ReleasedOut(TypedDict):
    """An address that can get mail again."""

    address: str
    status: Literal["deleted"]


def render_domain(domain: Domain, records: Iterable[DnsRecord]) -> DomainOut:
    """Return a domain with the DNS records to publish; its private keys are never shown."""
    return {
        "id": domain.id,
        "domain": domain.name,
        "name": domain.name,
        "status": "verified" if domain.verified_at else "pending",
        "verified": domain.verified_at is not None,
        "verified_at": to_optional_time(domain.verified_at),
        "checked_at": to_optional_time(domain.checked_at),
        "created_at": to_wire_time(domain.created_at),
        "dns_records": [
            {
                "purpose": record.purpose,
                "type": record.kind,
                "name": record.name,
                "value": record.value,
                "required": record.required,
                "status": record.status,
            }
            for record in records
        ],
    }


def render_signing_key(identity: IdentityKey) -> SigningKeyOut:
    """Return the public half of the server's signing key."""
    jwk = identity.jwk()
    return {
        "kid": identity.kid,
        "algorithm": "ES256",
        "public_key": identity.public_pem(),
        "jwk": {
            "kty": "EC",
            "crv": "P-256",
            "x": jwk["x"],
            "y": jwk["y"],
            "kid": identity.kid,
            "use": "sig",
            "alg": "ES256",
        },
    }


def render_suppressions(entries: Sequence[Suppression], cursor: str | None) -> SuppressionsOut:
    """Return a page of the suppression list."""
    rows = [_render_suppression(entry) for entry in entries]
    return {"suppressions": rows, "suppression": rows, "cursor": cursor}


def _render_suppression(entry: Suppression) -> SuppressionOut:
    return {
        "id": entry.id,
        "address": entry.address,
        "email": entry.address,
        "reason": entry.reason,
        "code": entry.code,
        "detail": entry.detail,
        "mailbox_id": entry.mailbox_id,
        "message_id": entry.message_id,
        "created_at": to_wire_time(entry.created_at),
    }
