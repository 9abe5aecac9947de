"""Routes of the page behind List-Unsubscribe. GET changes nothing; its button does.

Mail scanners follow links, so only POST unsubscribes (RFC 8058 section 3.1). The token is the
permission: only a recipient of the message has it.
"""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

from ...errors import ApiError
from ...services.suppression import UnsubscribeRequest
from ..routing import FORM, ApiRequest, ApiResponse, Router
from ..schemas.domains import UnsubscribeForm

route = Router()

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


@route(
    "GET", "/v1/unsubscribe/{token}", responses={200: "text/html"}, html=True, source="S",
    note="the page behind List-Unsubscribe, for people",
)  # fmt: skip
def get_unsubscribe_form(request: ApiRequest) -> ApiResponse:
    """Show the form that unsubscribes a recipient. It changes nothing."""
    try:
        pending = request.services.suppressions.get_unsubscribe_request(
            request.path_params["token"]
        )
    except ApiError as error:
        return _render_error(error)
    if pending.is_suppressed:
        return _render_done(pending)
    return _render("Unsubscribe", _build_form(pending))


@route(
    "POST", "/v1/unsubscribe/{token}", content={FORM: UnsubscribeForm},
    responses={200: "text/html"}, html=True, max_body=_MAX_BODY, source="S",
    note="a form, or the one click of RFC 8058",
)  # fmt: skip
def unsubscribe(request: ApiRequest) -> ApiResponse:
    """Unsubscribe a recipient: by the form, or by the one click of RFC 8058."""
    fields = parse_qs(request.body.decode("utf-8", "replace"), max_num_fields=20)
    address = (fields.get("address") or [""])[0][:254]
    try:
        done = request.services.suppressions.unsubscribe(request.path_params["token"], address)
    except ApiError as error:
        return _render_error(error)
    return _render_done(done)


def _build_form(pending: UnsubscribeRequest) -> str:
    sender = f"<strong>{escape(pending.sender)}</strong>"
    if pending.address is not None:
        address = f"<strong>{escape(pending.address)}</strong>"
        question = f"<p>Stop mail from {sender} to {address}?</p>"
        field = ""
    else:
        question = f"<p>Stop mail from {sender}? Enter your address.</p>"
        field = (
            '<p><label>Your address <input type="email" name="address" required '
            'autocomplete="email" maxlength="254"></label></p>'
        )
    return f'{question}<form method="post">{field}<button type="submit">Unsubscribe</button></form>'


def _render_done(done: UnsubscribeRequest) -> ApiResponse:
    sender, address = escape(done.sender), escape(done.address or "")
    return _render(
        "Unsubscribed",
        f"<p>If <strong>{address}</strong> received this message, it gets no more mail from "
        f"<strong>{sender}</strong> or from the other mailboxes of that account.</p>",
    )


def _render_error(error: ApiError) -> ApiResponse:
    return _render("Not unsubscribed", f"<p>{escape(error.message)}</p>", error.status)


def _render(title: str, body: str, status: int = 200) -> ApiResponse:
    content = _PAGE.format(title=escape(title), body=body).encode("utf-8", "replace")
    return ApiResponse(
        status=status, content=content, media_type="text/html; charset=utf-8", headers=_HEADERS
    )
