"""Code first: sensitive changes that wait for an approval code, as on the hosted service.

The first call is answered 202 and changes nothing; the human reads the code on the reviewer's
side; the same call again with `approval_code` is carried out.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from ..errors import invalid
from ..services.approval_codes import SensitiveChange
from . import render_authority as render
from .request import ApiRequest, ApiResponse
from .routing import RouteSpec

_ALWAYS = frozenset(
    {
        ("POST", "/v1/api-keys"),
        ("POST", "/v1/mailboxes"),
        ("POST", "/v1/webhooks"),
        ("POST", "/webhooks"),
        ("POST", "/create_mailbox"),
        ("POST", "/v1/create_mailbox"),
    }
)
_WHERE_NAMED: dict[tuple[str, str], frozenset[str]] = {
    ("PATCH", "/v1/api-keys/{key}"): frozenset({"scopes"}),
    ("PATCH", "/v1/mailboxes/{mailbox}"): frozenset({"webhook_url", "oversight_webhook_url"}),
    ("PATCH", "/v1/mailboxes/{mailbox}/configure"): frozenset(
        {"webhook_url", "oversight_webhook_url"}
    ),
}
"""Changes that come to the same as making a key or a webhook, where a body names these fields."""

_MAX_CODE = 100


def ask_for_code(spec: RouteSpec, api_request: ApiRequest) -> ApiResponse | None:
    """Return the 202 that a sensitive change gets first; None to carry the request out.

    Raises:
        ApiError: The code is wrong, over, or for another request (403); too many asked for (429).
    """
    if not api_request.services.context.approval_codes:
        return None
    route = (spec.method, spec.path)
    if route not in _ALWAYS and route not in _WHERE_NAMED:
        return None
    body = _body(api_request)
    code = body.pop("approval_code", None)
    if route in _WHERE_NAMED and not _WHERE_NAMED[route] & body.keys():
        return None
    change = SensitiveChange(f"{spec.method} {_path(spec, api_request)}", body)
    if code is None:
        return ApiResponse(
            render.code_first(
                api_request.services.approval_codes.request(api_request.principal, change)
            ),
            202,
        )
    if not isinstance(code, str) or len(code) > _MAX_CODE:
        raise invalid("`approval_code` is not a code such as ABCD-EFGH-JKMN-PQRS.")
    api_request.services.approval_codes.redeem(api_request.principal, change, code)
    return None


def _body(api_request: ApiRequest) -> dict[str, Any]:
    try:
        body = json.loads(api_request.body or b"{}")
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise invalid("The body is not a JSON object.")
    return body


def _path(spec: RouteSpec, api_request: ApiRequest) -> str:
    path = spec.path
    for name, value in api_request.path.items():
        # It is shown at a terminal: nothing but letters that a path can have.
        path = path.replace(f"{{{name}}}", quote(value[:_MAX_CODE], safe="@"))
    return path
