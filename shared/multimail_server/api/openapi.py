"""The description of the API (OpenAPI 3.1), made from the table of routes: what is served, no more.

Each operation has its scopes, its parameters, its bodies and every status that it can answer.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from pydantic import AliasChoices, BaseModel
from pydantic.json_schema import models_json_schema

from .._version import version
from ..lazy_models import ensure_model_built
from .operation_shapes import Operation, Parameter, Shape
from .operations import OPERATIONS
from .routing import RouteSpec
from .schemas.messages import ErrorAnswer

Json = dict[str, Any]

_SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "mm_live_… or mm_test_…"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_TEXT: Json = {"schema": {"type": "string"}}
_MEANINGS = {
    400: "The request itself is wrong; the sentence names the field.",
    401: "There is no API key, or it is unknown or revoked.",
    403: "This key, or this mailbox, may not do that.",
    404: "There is nothing of that id that this key can see.",
    409: "The request is right and the state of things forbids it.",
    410: "This link decides nothing any more: it was used, has ended, or its key is gone.",
    413: "The body is too large.",
    421: "Pages are not served under this host name.",
    429: "The key has used up its rate; `Retry-After` says for how many seconds.",
    503: "The database cannot take this now; nothing was changed.",
}
_HEADERS: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_ALWAYS, _WITH_KEY = (400, 413, 503), (401, 403, 429)
_UNKNOWN = Operation({200: "application/json"})


def described_path(path: str) -> str:
    """Return a route's path in OpenAPI's notation."""
    return re.sub(r":\w+\}", "}", path)


def describe(specs: Iterable[RouteSpec]) -> Json:
    """Return the OpenAPI document of these routes, without its servers."""
    routes = list(specs)
    names = _names(routes)
    paths: dict[str, Json] = {}
    for spec in routes:
        path = described_path(spec.path)
        paths.setdefault(path, {})[spec.method.lower()] = _operation(spec, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MultiMail, embedded server",
            "version": version(),
            "description": "GET answers HEAD as well. Every answer has an X-Request-Id.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": _SCHEMES},
    }


def _operation(spec: RouteSpec, names: dict[tuple[str, str], str]) -> Json:
    path = described_path(spec.path)
    known = OPERATIONS.get((spec.method, path), _UNKNOWN)
    described: Json = {
        "operationId": names[spec.method, path],
        "summary": _summary(spec),
        "parameters": [_in_path(name) for name in re.findall(r"\{(\w+)\}", path)]
        + [_in_query(parameter) for parameter in known.query],
        "responses": _responses(spec, path, known),
        "security": [{kind: [scope]} for scope in spec.scopes for kind in _SCHEMES],
    }
    if known.body is not None or known.forms:
        described["requestBody"] = _request(known)
    return described


def _summary(spec: RouteSpec) -> str:
    text = " ".join((inspect.getdoc(spec.handler) or "").split("\n\n")[0].split())
    return re.sub(r"^(API|Pages): ", "", text)


def _names(routes: list[RouteSpec]) -> dict[tuple[str, str], str]:
    """Return each operation's id: its handler's name, and its path too where that repeats."""
    count = Counter(spec.handler.__name__ for spec in routes)
    names: dict[tuple[str, str], str] = {}
    for spec in routes:
        path = described_path(spec.path)
        name = spec.handler.__name__
        if count[name] > 1:
            name = "_".join([spec.method.lower(), *re.findall(r"\w+", path)])
        names[spec.method, path] = name
    return names


def _in_path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True,
            "schema": {"type": "string", "minLength": 1}}  # fmt: skip


def _in_query(parameter: Parameter) -> Json:
    found: Json = {"name": parameter.name, "in": "query", "schema": dict(parameter.schema)}
    return {**found, "description": parameter.meaning} if parameter.meaning else found


def _request(known: Operation) -> Json:
    content: Json = {} if known.body is None else _content(known.body)
    for media_type, shape in known.forms.items():
        content.update(_content(shape, media_type))
    return {"required": not known.forms and _is_needed(known.body), "content": content}


def _is_needed(body: Shape | None) -> bool:
    if body is None or isinstance(body, str):
        return body is not None
    return any(field.is_required() for field in body.model_fields.values())


def _responses(spec: RouteSpec, path: str, known: Operation) -> Json:
    found: Json = {}
    for status, shape in known.answers.items():
        found[str(status)] = _response(_meaning_of(shape), _content(shape))
    errors = {*_ALWAYS, *known.errors}
    if spec.scopes:
        errors.update(_WITH_KEY)
    if "{" in path:
        errors.add(404)
    for status in sorted(errors):
        headers = _HEADERS.get(status, ())
        found[str(status)] = _response(_MEANINGS[status], _content(ErrorAnswer), headers)
    if known.html:
        for response in found.values():
            response["content"]["text/html"] = _TEXT
    return found


def _response(meaning: str, content: Json, headers: tuple[str, ...] = ()) -> Json:
    return {
        "description": meaning,
        "headers": dict.fromkeys(("X-Request-Id", *headers), _TEXT),
        "content": content,
    }


def _content(shape: Shape, media_type: str = "application/json") -> Json:
    if not isinstance(shape, str):
        return {media_type: {"schema": {"$ref": f"#/components/schemas/{shape.__name__}"}}}
    return {shape: {} if shape == "application/json" else _TEXT}


def _meaning_of(shape: Shape) -> str:
    if isinstance(shape, str):
        return "The bytes." if shape != "application/json" else "JSON."
    return inspect.getdoc(shape) or shape.__name__


def _schemas() -> Json:
    """Return the schema of every model that some operation names."""
    models: set[type[BaseModel]] = {ErrorAnswer}
    for operation in OPERATIONS.values():
        shapes = (operation.body, *operation.answers.values(), *operation.forms.values())
        models.update(shape for shape in shapes if shape is not None and not isinstance(shape, str))
    ordered = sorted(models, key=lambda model: model.__name__)
    _, found = models_json_schema(
        [(ensure_model_built(model), "validation") for model in ordered],
        ref_template="#/components/schemas/{model}",
    )
    schemas: Json = found["$defs"]
    for model in ordered:
        _tell_spellings(model, schemas[model.__name__])
    return schemas


def _tell_spellings(model: type[BaseModel], schema: Json) -> None:
    for field in model.model_fields.values():
        if not isinstance(field.validation_alias, AliasChoices):
            continue
        first, *others = [str(choice) for choice in field.validation_alias.choices]
        if others and first in schema["properties"]:
            words = ", ".join(f"`{other}`" for other in others)
            schema["properties"][first]["description"] = f"Also read as {words}."
