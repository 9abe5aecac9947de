"""Custom domain endpoints."""

from __future__ import annotations

from ..call import Call
from ..models import Ack, Domain, list_of
from .checks import segment


def list_domains() -> Call[list[Domain]]:
    """List the account's domains. API: GET /v1/domains."""
    return Call("list_domains", "GET", "/v1/domains", list_of(Domain, "domains"))


def add_domain(domain: str) -> Call[Domain]:
    """Add a domain; the answer holds the DNS records to publish. API: POST /v1/domains."""
    return Call("add_domain", "POST", "/v1/domains", Domain.model_validate, json={"domain": domain})


def get_domain(domain_id: str) -> Call[Domain]:
    """Return one domain. API: GET /v1/domains/{domain}."""
    return Call("get_domain", "GET", _domain(domain_id), Domain.model_validate)


def verify_domain(domain_id: str) -> Call[Domain]:
    """Check the published DNS records. API: POST /v1/domains/{domain}/verify."""
    return Call(
        "verify_domain",
        "POST",
        _domain(domain_id) + "/verify",
        Domain.model_validate,
        json={},
        repeatable=True,
    )


def delete_domain(domain_id: str) -> Call[Ack]:
    """Remove a domain. API: DELETE /v1/domains/{domain}."""
    return Call("delete_domain", "DELETE", _domain(domain_id), Ack.model_validate, repeatable=True)


def _domain(domain_id: str) -> str:
    return f"/v1/domains/{segment(domain_id, 'domain_id')}"
