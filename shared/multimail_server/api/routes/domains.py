"""Routes: domains of one's own, and the key that vouches for what left this server."""

from __future__ import annotations

from typing import Any

from ...mailroom.domains import records_of
from ...store.records import Domain
from .. import render_outbound
from ..request import Answer, Ask
from ..routing import Routes
from ..schemas.requests import DomainBody

routes = Routes()


@routes("GET", "/v1/domains", "admin")
def list_domains(ask: Ask) -> Answer:
    """API: GET /v1/domains."""
    return Answer({"domains": [_shown(ask, found) for found in ask.room.domains.all(ask.who)]})


@routes("POST", "/v1/domains", "admin")
def add_domain(ask: Ask) -> Answer:
    """API: POST /v1/domains."""
    return Answer(_shown(ask, ask.room.domains.add(ask.who, ask.read(DomainBody).domain)), 201)


@routes("GET", "/v1/domains/{domain}", "admin")
def get_domain(ask: Ask) -> Answer:
    """API: GET /v1/domains/{domain}."""
    return Answer(_shown(ask, ask.room.domains.get(ask.who, ask.path["domain"])))


@routes("POST", "/v1/domains/{domain}/verify", "admin")
def verify_domain(ask: Ask) -> Answer:
    """API: POST /v1/domains/{domain}/verify: looks the records up now."""
    return Answer(_shown(ask, ask.room.domains.verify(ask.who, ask.path["domain"])))


@routes("DELETE", "/v1/domains/{domain}", "admin")
def delete_domain(ask: Ask) -> Answer:
    """API: DELETE /v1/domains/{domain}."""
    gone = ask.room.domains.remove(ask.who, ask.path["domain"])
    return Answer({"id": gone.id, "status": "deleted"})


@routes("GET", "/.well-known/multimail-signing-key")
def signing_key(ask: Ask) -> Answer:
    """API: GET /.well-known/multimail-signing-key: the public half."""
    identity = ask.room.desk.letterhead.identity
    return Answer(
        {
            "kid": identity.kid,
            "algorithm": "ES256",
            "public_key": identity.public_pem(),
            "jwk": identity.jwk(),
        }
    )


def _shown(ask: Ask, domain: Domain) -> dict[str, Any]:
    return render_outbound.domain(domain, records_of(ask.room.desk, domain))
