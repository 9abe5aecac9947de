"""Rendering of what concerns outbound mail alone: domains and the suppression list."""

from __future__ import annotations

from collections.abc import Iterable

from ..services.domains import DnsRecord
from ..store.records import Domain, Suppression
from .render import Json, moment


def domain(found: Domain, records: Iterable[DnsRecord]) -> Json:
    """Return a domain with the DNS records to publish; its private keys are never shown."""
    return {
        "id": found.id,
        "domain": found.name,
        "name": found.name,
        "status": "verified" if found.verified_at else "pending",
        "verified": found.verified_at is not None,
        "verified_at": moment(found.verified_at),
        "checked_at": moment(found.checked_at),
        "created_at": moment(found.created_at),
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


def suppression(entry: Suppression) -> Json:
    """Return an entry of the suppression list."""
    return {
        "id": entry.id,
        "address": entry.address,
        "email": entry.address,
        "reason": entry.reason,
        "code": entry.code,
        "detail": entry.detail,
        "mailbox_id": entry.mailbox_id,
        "message_id": entry.message_id,
        "created_at": moment(entry.created_at),
    }
