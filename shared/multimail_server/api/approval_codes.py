"""Approval codes for sensitive changes, as on the hosted service.

The first call is answered 202 and changes nothing; the human reads the code on the reviewer's
side; the same call again with `approval_code` is carried out.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from ..errors import invalid
from ..services.approval_codes import SensitiveChange
from .request import ApiRequest, ApiResponse
from .routing import Route
from .schemas.oversight import render_approval_required

_MAX_CODE = 100


def require_approval_code(route: Route, request: ApiRequest) -> ApiResponse | None:
    """Return the 202 of a change that needs a code first; None to carry the request out.

    Raises:
        ApiError: The code is wrong, expired, or for another request (403); too many requests (429).
    """
    if not route.approval_code or not request.services.context.approval_codes:
        return None
    body = _parse_object(request)
    code = body.pop("approval_code", None)
    if isinstance(route.approval_code, tuple) and body.keys().isdisjoint(route.approval_code):
        return None
    change = SensitiveChange(f"{route.method} {_fill_path(route, request)}", body)
    codes = request.services.approval_codes
    if code is None:
        return ApiResponse(render_approval_required(codes.request(request.principal, change)), 202)
    if not isinstance(code, str) or len(code) > _MAX_CODE:
        raise invalid("`approval_code` is not a code such as ABCD-EFGH-JKMN-PQRS.")
    codes.redeem(request.principal, change, code)
    return None


def _parse_object(request: ApiRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise invalid("The body is not a JSON object.")
    return body


def _fill_path(route: Route, request: ApiRequest) -> str:
    path = route.path
    for name, value in request.path_params.items():
        # It is shown on a terminal: only characters that a path can have.
        path = path.replace(f"{{{name}}}", quote(value[:_MAX_CODE], safe="@"))
    return path
