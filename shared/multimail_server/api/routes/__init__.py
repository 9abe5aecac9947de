"""The routes, one module per subject: version 1, flat paths, description, the human's page."""

from __future__ import annotations

from ...pages import lists, signing_in, static_files
from ...pages import views as review
from ...testing import routes as test_routes
from ..compat import routes as flat
from ..routing import RouteSpec
from . import (
    account,
    approving,
    authority,
    description,
    domains,
    emails,
    mailboxes,
    oversight,
    sending,
    spam,
    suppression,
    unsubscribe,
    webhooks,
)

_API = (
    mailboxes,
    emails,
    sending,
    oversight,
    account,
    test_routes,
    webhooks,
    approving,
    domains,
    suppression,
    unsubscribe,
    authority,
    spam,
    flat,
    description,
)
ALL: tuple[RouteSpec, ...] = tuple(spec for module in _API for spec in module.routes.specs)
PAGES: tuple[RouteSpec, ...] = tuple(
    spec for module in (signing_in, review, lists, static_files) for spec in module.routes.specs
)
"""For people: HTML, and a session instead of a key."""
