"""Trouble: what a person sees where a page cannot be made - an error, a full database, no page.

The pages themselves show what they refuse. This is for what goes wrong around them, so it needs
no session, no store and no clock.
"""

from __future__ import annotations

from starlette.requests import Request

from ..api.request import ApiResponse
from ..errors import ApiError
from .app import page_of

_FOR_PEOPLE = ("/v1/approve/", "/v1/unsubscribe/")


def wants_page(request: Request, *, is_page: bool | None = None) -> bool:
    """Return whether whoever asks is a person at a browser, and not a program at the API.

    Args:
        request: What was asked.
        is_page: Whether the route is one of the pages; None where there is no such route.
    """
    if "text/html" not in request.headers.get("accept", ""):
        return False
    path = request.url.path
    if path.startswith(_FOR_PEOPLE):
        return True
    return is_page if is_page is not None else not path.startswith("/v1/")


def trouble_page(request: Request, refusal: ApiError) -> ApiResponse:
    """Return a refusal as a page."""
    page = page_of(
        "problem.html", refusal.status, now=None, here=request.url.path, refusal=refusal,
        signed_in=False,
    )  # fmt: skip
    return ApiResponse(
        content=page.content,
        status=page.status,
        media_type=page.media_type,
        headers={**refusal.headers, **page.headers},
    )
