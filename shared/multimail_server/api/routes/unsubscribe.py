"""Routes: the page behind List-Unsubscribe. Looking at it changes nothing; its button does.

Mail scanners follow links, so only POST unsubscribes (RFC 8058 section 3.1). The token is the
permission: whoever has it got the message.
"""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

from ...errors import ApiError
from ...services.suppression import UnsubscribeRequest
from ..request import ApiRequest, ApiResponse
from ..routing import Routes

routes = Routes()

_MAX_BODY = 4096
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root{{color-scheme:light dark}}body{{font:1.1rem/1.5 system-ui,sans-serif;margin:3rem auto;
max-width:34rem;padding:0 1rem;overflow-wrap:anywhere}}input,button{{font:inherit;padding:.5rem}}
</style></head><body><main><h1>{title}</h1>{body}</main></body></html>
"""


@routes("GET", "/v1/unsubscribe/{token}")
def show(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/unsubscribe/{token}."""
    try:
        found = request.services.suppressions.get_unsubscribe_request(request.path["token"])
    except ApiError as refusal:
        return _refused(refusal)
    if found.is_suppressed:
        return _done(found)
    return _page("Unsubscribe", _form(found))


@routes("POST", "/v1/unsubscribe/{token}", longest_body=_MAX_BODY)
def unsubscribe(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/unsubscribe/{token}: a form, or RFC 8058's one click."""
    given = parse_qs(request.body.decode("utf-8", "replace"), max_num_fields=20)
    address = (given.get("address") or [""])[0][:254]
    try:
        return _done(request.services.suppressions.unsubscribe(request.path["token"], address))
    except ApiError as refusal:
        return _refused(refusal)


def _form(found: UnsubscribeRequest) -> str:
    sender = f"<strong>{escape(found.sender)}</strong>"
    if found.address is not None:
        said = f"<p>No more mail from {sender} to <strong>{escape(found.address)}</strong>?</p>"
        field = ""
    else:
        said = f"<p>No more mail from {sender}? Say which address is yours.</p>"
        field = (
            '<p><label>Your address <input type="email" name="address" required '
            'autocomplete="email" maxlength="254"></label></p>'
        )
    return f'{said}<form method="post">{field}<button type="submit">Unsubscribe</button></form>'


def _done(found: UnsubscribeRequest) -> ApiResponse:
    sender, address = escape(found.sender), escape(found.address or "")
    return _page(
        "Unsubscribed",
        f"<p>If <strong>{address}</strong> got this message, it gets no more mail from "
        f"<strong>{sender}</strong>, nor from the other mailboxes of that account.</p>",
    )


def _refused(refusal: ApiError) -> ApiResponse:
    return _page("Not unsubscribed", f"<p>{escape(refusal.message)}</p>", refusal.status)


def _page(title: str, body: str, status: int = 200) -> ApiResponse:
    content = _PAGE.format(title=escape(title), body=body).encode("utf-8", "replace")
    return ApiResponse(
        status=status, content=content, media_type="text/html; charset=utf-8", headers=_HEADERS
    )
