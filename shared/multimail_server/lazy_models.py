"""Deferred models: their validators are built at first use, by one thread."""

from __future__ import annotations

import threading
from typing import TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)

_building = threading.Lock()


def ensure_model_built(model: type[M]) -> type[M]:
    """Return the model with its validator built.

    pydantic does not say that threads may do that at the same time, and requests are threads.
    """
    if not model.__pydantic_complete__:
        with _building:
            model.model_rebuild()
    return model
