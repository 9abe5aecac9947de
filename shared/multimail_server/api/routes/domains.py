"""Routes: domains of one's own, and the key that vouches for what left this server."""

from __future__ import annotations

from typing import Any

from ...services.domains import build_dns_records
from ...store.records import Domain
from .. import render_outbound
from ..request import ApiRequest, ApiResponse
from ..routing import Routes
from ..schemas.requests import DomainBody

routes = Routes()


@routes("GET", "/v1/domains", "admin")
def list_domains(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/domains."""
    return ApiResponse(
        {
            "domains": [
                _shown(request, found)
                for found in request.services.domains.list_domains(request.principal)
            ]
        }
    )


@routes("POST", "/v1/domains", "admin")
def add_domain(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/domains."""
    return ApiResponse(
        _shown(
            request,
            request.services.domains.add(request.principal, request.parse_body(DomainBody).domain),
        ),
        201,
    )


@routes("GET", "/v1/domains/{domain}", "admin")
def get_domain(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/domains/{domain}."""
    return ApiResponse(
        _shown(request, request.services.domains.get(request.principal, request.path["domain"]))
    )


@routes("POST", "/v1/domains/{domain}/verify", "admin")
def verify_domain(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/domains/{domain}/verify: looks the records up now."""
    return ApiResponse(
        _shown(request, request.services.domains.verify(request.principal, request.path["domain"]))
    )


@routes("DELETE", "/v1/domains/{domain}", "admin")
def delete_domain(request: ApiRequest) -> ApiResponse:
    """API: DELETE /v1/domains/{domain}."""
    gone = request.services.domains.remove(request.principal, request.path["domain"])
    return ApiResponse({"id": gone.id, "status": "deleted"})


@routes("GET", "/.well-known/multimail-signing-key")
def signing_key(request: ApiRequest) -> ApiResponse:
    """API: GET /.well-known/multimail-signing-key: the public half."""
    identity = request.services.context.outbound_headers.identity
    return ApiResponse(
        {
            "kid": identity.kid,
            "algorithm": "ES256",
            "public_key": identity.public_pem(),
            "jwk": identity.jwk(),
        }
    )


def _shown(request: ApiRequest, domain: Domain) -> dict[str, Any]:
    return render_outbound.domain(domain, build_dns_records(request.services.context, domain))
