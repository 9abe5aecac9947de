"""Routes of sending domains, the signing key and the suppression list."""

from __future__ import annotations

from ...services.domains import build_dns_records
from ...store.records import Domain
from ..routing import CURSOR, LIMIT, ApiRequest, ApiResponse, Router, next_cursor
from ..schemas.base import DeletedOut, render_deleted
from ..schemas.domains import (
    DomainIn,
    DomainOut,
    DomainsOut,
    ReleasedOut,
    SigningKeyOut,
    SuppressionsOut,
    render_domain,
    render_signing_key,
    render_suppressions,
)

route = Router("Account")


@route(
    "GET", "/v1/domains", scopes=("admin",), responses={200: DomainsOut},
    client=("list_domains",), source="S", note="admin scope",
)  # fmt: skip
def list_domains(request: ApiRequest) -> ApiResponse:
    """List the account's domains."""
    domains = request.services.domains.list_domains(request.principal)
    response: DomainsOut = {"domains": [_render(request, domain) for domain in domains]}
    return ApiResponse(response)


@route(
    "POST", "/v1/domains", scopes=("admin",), body=DomainIn, responses={201: DomainOut},
    errors=(409,), client=("add_domain",), source="S",
    note="`dns_records` lists what to publish, each with its `status`",
)  # fmt: skip
def add_domain(request: ApiRequest, body: DomainIn) -> ApiResponse:
    """Add a domain; the response has the DNS records to publish."""
    added = request.services.domains.add(request.principal, body.domain)
    return ApiResponse(_render(request, added), 201)


@route(
    "GET", "/v1/domains/{domain}", scopes=("admin",), responses={200: DomainOut},
    client=("get_domain",), source="S",
)  # fmt: skip
def get_domain(request: ApiRequest) -> ApiResponse:
    """Return a domain with the DNS records to publish."""
    domain = request.services.domains.get(request.principal, request.path_params["domain"])
    return ApiResponse(_render(request, domain))


@route(
    "POST", "/v1/domains/{domain}/verify", scopes=("admin",), responses={200: DomainOut},
    client=("verify_domain",), source="S",
)  # fmt: skip
def verify_domain(request: ApiRequest) -> ApiResponse:
    """Look up a domain's DNS records now."""
    domain = request.services.domains.verify(request.principal, request.path_params["domain"])
    return ApiResponse(_render(request, domain))


@route(
    "DELETE", "/v1/domains/{domain}", scopes=("admin",), responses={200: DeletedOut},
    errors=(409,), client=("delete_domain",), source="S",
)  # fmt: skip
def delete_domain(request: ApiRequest) -> ApiResponse:
    """Remove a domain."""
    removed = request.services.domains.remove(request.principal, request.path_params["domain"])
    return ApiResponse(render_deleted(removed.id))


def _render(request: ApiRequest, domain: Domain) -> DomainOut:
    return render_domain(domain, build_dns_records(request.services.context, domain))


@route(
    "GET", "/.well-known/multimail-signing-key", responses={200: SigningKeyOut},
    client=("get_signing_key",), source="S",
    note="no source names the fields: `kid`, `algorithm`, `public_key` (PEM) and `jwk` are E",
)  # fmt: skip
def get_signing_key(request: ApiRequest) -> ApiResponse:
    """Return the public key that verifies the identity header of outbound mail."""
    return ApiResponse(render_signing_key(request.services.context.outbound_headers.identity))


@route(
    "GET", "/v1/suppression", scopes=("admin",), query=(LIMIT, CURSOR),
    responses={200: SuppressionsOut}, client=("list_suppressions",), source="S",
    note="`suppressions` and `suppression`",
)  # fmt: skip
def list_suppressions(request: ApiRequest) -> ApiResponse:
    """List the suppressed addresses, newest first."""
    limit = request.query(LIMIT)
    entries = request.services.suppressions.list_suppressions(
        request.principal, request.query(CURSOR), limit
    )
    return ApiResponse(render_suppressions(entries[:limit], next_cursor(entries, limit)))


@route(
    "DELETE", "/v1/suppression/{address:path}", scopes=("admin",), responses={200: ReleasedOut},
    client=("remove_suppression",), source="S",
)  # fmt: skip
def remove_suppression(request: ApiRequest) -> ApiResponse:
    """Let an address get mail again."""
    entry = request.services.suppressions.remove(request.principal, request.path_params["address"])
    response: ReleasedOut = {"address": entry.address, "status": "deleted"}
    return ApiResponse(response)
