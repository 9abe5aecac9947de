"""Static files: the pages' one style sheet and one script, each under the hash of its content."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from ..api.request import ApiRequest, ApiResponse
from ..api.routing import Routes
from ..errors import not_found

routes = Routes()

_TYPES = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@routes("GET", "/static/{name}")
def static_file(request: ApiRequest) -> ApiResponse:
    """Return a file of the pages; nothing but the three named ones is ever read."""
    name = request.path["name"]
    if name not in _TYPES:
        raise not_found("file", name)
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return ApiResponse(content=_content(name), media_type=_TYPES[name], headers=headers)


def address_of(name: str) -> str:
    """Return a file's address, which changes with its content."""
    return f"/static/{name}?v={hashlib.sha256(_content(name)).hexdigest()[:16]}"


@cache
def _content(name: str) -> bytes:
    return files("multimail_server.pages").joinpath("static", name).read_bytes()
