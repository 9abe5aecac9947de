"""The schema of a page of events."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from ...services.event_log import EventPage


class EventsOut(TypedDict):
    """Events, oldest first, each as webhooks post it; go on with `cursor` as `after`."""

    events: list[dict[str, Any]]
    cursor: Annotated[str, Field(description="The id to go on after, if there was no event too.")]
    has_more: Annotated[bool, Field(description="Whether there may be more right away.")]


def render_events(page: EventPage) -> EventsOut:
    """Return a page of events."""
    return {
        "events": page.payloads,
        "cursor": page.rest.reached,
        "has_more": not page.is_last,
    }
