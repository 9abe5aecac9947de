"""The API as the retired pack read it: this package's server, with the three names that it wants.

Its tools look for `text_body`, `from_address` and `to_addresses`, which no published document of
the API has; without them it would show neither senders nor bodies, and its results would be short.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from .apps import on_a_port

_BODIES = {"include": "bodies"}
"""For a thread, which comes without any unless that is asked for; elsewhere it says nothing."""
_NAMES = {"text_body": "markdown", "from_address": "from", "to_addresses": "to"}


def _renamed(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_renamed(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    inner = {name: _renamed(value) for name, value in answer.items()}
    return inner | {old: inner[new] for old, new in _NAMES.items() if new in inner}


@contextmanager
def retired_api(url: str) -> Iterator[str]:
    """Serve the API at `url` under the old names until the block ends; yields the URL."""
    with httpx.Client(base_url=url, timeout=60) as client:

        def passed_on(request: Request, body: bytes) -> JSONResponse:
            answer = client.request(
                request.method,
                request.url.path,
                params={**request.query_params, **_BODIES},
                content=body,
                headers={
                    name: value
                    for name, value in request.headers.items()
                    if name in ("authorization", "content-type")
                },
            )
            return JSONResponse(_renamed(answer.json()), answer.status_code)

        async def answered(request: Request) -> JSONResponse:
            return passed_on(request, await request.body())

        routes = [Route("/{path:path}", answered, methods=["GET", "POST"])]
        with on_a_port(Starlette(routes=routes)) as old:
            yield old
