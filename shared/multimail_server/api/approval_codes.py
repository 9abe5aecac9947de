"""Code first: sensitive changes that wait for an approval code, as on the hosted service.

The first call is answered 202 and changes nothing; the human reads the code on the reviewer's
side; the same call again with `approval_code` is carried out.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from ..mailroom.change_codes import Change
from ..refusals import invalid
from . import render_authority as render
from .request import Answer, Ask
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

_MOST_CODE = 100


def ask_for_code(spec: RouteSpec, ask: Ask) -> Answer | None:
    """Return the 202 that a sensitive change gets first; None to carry the request out.

    Raises:
        Refusal: The code is wrong, over, or for another request (403); too many asked for (429).
    """
    if not ask.room.desk.approval_codes:
        return None
    route = (spec.method, spec.path)
    if route not in _ALWAYS and route not in _WHERE_NAMED:
        return None
    body = _body(ask)
    code = body.pop("approval_code", None)
    if route in _WHERE_NAMED and not _WHERE_NAMED[route] & body.keys():
        return None
    change = Change(f"{spec.method} {_path(spec, ask)}", body)
    if code is None:
        return Answer(render.code_first(ask.room.change_codes.ask(ask.who, change)), 202)
    if not isinstance(code, str) or len(code) > _MOST_CODE:
        raise invalid("`approval_code` is not a code such as ABCD-EFGH-JKMN-PQRS.")
    ask.room.change_codes.redeem(ask.who, change, code)
    return None


def _body(ask: Ask) -> dict[str, Any]:
    try:
        body = json.loads(ask.body or b"{}")
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise invalid("The body is not a JSON object.")
    return body


def _path(spec: RouteSpec, ask: Ask) -> str:
    path = spec.path
    for name, value in ask.path.items():
        # It is shown at a terminal: nothing but letters that a path can have.
        path = path.replace(f"{{{name}}}", quote(value[:_MOST_CODE], safe="@"))
    return path
