"""The OpenAPI 3.1 document, derived from the routes: what is served, and nothing else.

Each operation has its scopes, its parameters, its bodies and every status that it can answer.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import AliasChoices, BaseModel, TypeAdapter

from .._version import version
from .routing import JSON, QueryParameter, Route, Schema
from .schemas.base import ErrorOut, ensure_model_built
from .schemas.oversight import ApprovalRequiredOut

Json = dict[str, Any]

_SECURITY_SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "mm_live_… or mm_test_…"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_TEXT: Json = {"schema": {"type": "string"}}
_ERRORS = {
    400: "The request is wrong; the message names the field.",
    401: "There is no API key, or it is unknown or revoked.",
    403: "This key or this mailbox may not do that.",
    404: "Nothing with that id is visible to this key.",
    409: "The request is right, but the current state forbids it.",
    410: "This link no longer decides, or these events are no longer kept.",
    413: "The body is too large.",
    421: "Pages are not served under this host name.",
    429: "The key has used up its rate; `Retry-After` has the seconds to wait.",
    503: "The database cannot take this now; nothing was changed.",
}
_ERROR_HEADERS: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_ALWAYS, _WITH_KEY = (400, 413, 503), (401, 403, 429)


def describe(routes: Sequence[Route]) -> Json:
    """Return the OpenAPI document of these routes, without its servers."""
    operation_ids = _build_operation_ids(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        operation = _describe_route(route, operation_ids[route.method, route.openapi_path])
        paths.setdefault(route.openapi_path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MultiMail, embedded server",
            "version": version(),
            "description": "GET answers HEAD as well. Every response has an X-Request-Id. "
            "With `Prefer: return=minimal` (RFC 7240) what a response holds under two names, such "
            "as `emails` and `messages`, comes under the first only.",
        },
        "paths": paths,
        "components": {
            "schemas": _build_schemas(routes),
            "responses": {f"Error{status}": _describe_error(status) for status in _ERRORS},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _build_operation_ids(routes: Iterable[Route]) -> dict[tuple[str, str], str]:
    """Return each operation's id: its handler's name, or method and path where that repeats."""
    count = Counter(route.handler.__name__ for route in routes)
    ids: dict[tuple[str, str], str] = {}
    for route in routes:
        name = route.handler.__name__
        if count[name] > 1:
            name = "_".join([route.method.lower(), *re.findall(r"\w+", route.openapi_path)])
        ids[route.method, route.openapi_path] = name
    return ids


def _describe_route(route: Route, operation_id: str) -> Json:
    operation: Json = {
        "operationId": operation_id,
        "summary": route.summary,
        "parameters": [
            *(_describe_in_path(name) for name in re.findall(r"\{(\w+)\}", route.openapi_path)),
            *(_describe_in_query(parameter) for parameter in route.query),
        ],
        "responses": _describe_responses(route),
        "security": [{scheme: [scope]} for scope in route.scopes for scheme in _SECURITY_SCHEMES],
    }
    if route.content:
        operation["requestBody"] = _describe_body(route)
    return operation


def _describe_in_path(name: str) -> Json:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _describe_in_query(parameter: QueryParameter[Any]) -> Json:
    description = {"description": parameter.description} if parameter.description else {}
    return {"name": parameter.name, "in": "query", "schema": dict(parameter.schema), **description}


def _describe_body(route: Route) -> Json:
    content: Json = {}
    for media_type, schema in route.content.items():
        content.update(_describe_content(schema, media_type))
    required = len(content) == 1 and all(map(_is_required, route.content.values()))
    return {"required": required, "content": content}


def _is_required(schema: Schema) -> bool:
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return any(field.is_required() for field in schema.model_fields.values())
    return isinstance(schema, str)


def _describe_responses(route: Route) -> Json:
    responses: Json = {}
    for status, schema in _get_responses(route).items():
        content = _describe_content(schema)
        responses[str(status)] = _describe_response(_get_description(schema), content)
    for status in sorted(_get_errors(route)):
        responses[str(status)] = (
            _describe_error(status)
            if route.html
            else {"$ref": f"#/components/responses/Error{status}"}
        )
    if route.html:
        for response in responses.values():
            response["content"]["text/html"] = _TEXT
    if route.event_stream:
        responses["200"]["content"]["text/event-stream"] = _TEXT
    return responses


def _describe_error(status: int) -> Json:
    headers = _ERROR_HEADERS.get(status, ())
    return _describe_response(_ERRORS[status], _describe_content(ErrorOut), headers)


def _get_responses(route: Route) -> dict[int, Schema]:
    responses = dict(route.responses)
    if route.approval_code:
        responses[202] = ApprovalRequiredOut
    return responses


def _get_errors(route: Route) -> set[int]:
    errors = {*_ALWAYS, *route.errors}
    if route.scopes:
        errors.update(_WITH_KEY)
    if "{" in route.path:
        errors.add(404)
    return errors


def _describe_response(description: str, content: Json, headers: tuple[str, ...] = ()) -> Json:
    return {
        "description": description,
        "headers": dict.fromkeys(("X-Request-Id", *headers), _TEXT),
        "content": content,
    }


def _describe_content(schema: Schema, media_type: str = JSON) -> Json:
    if not isinstance(schema, str):
        return {media_type: {"schema": {"$ref": f"#/components/schemas/{schema.__name__}"}}}
    return {schema: {} if schema == JSON else _TEXT}


def _get_description(schema: Schema) -> str:
    if isinstance(schema, str):
        return "The bytes." if schema != JSON else "JSON."
    return inspect.getdoc(schema) or schema.__name__


def _build_schemas(routes: Iterable[Route]) -> Json:
    """Return the JSON schema of every model that some route names."""
    models: set[type] = {ErrorOut}
    for route in routes:
        named = (*route.content.values(), *_get_responses(route).values())
        models.update(schema for schema in named if not isinstance(schema, str))
    ordered = sorted(models, key=lambda model: model.__name__)
    _, document = TypeAdapter.json_schemas(
        [(model.__name__, "validation", _build_adapter(model)) for model in ordered],
        ref_template="#/components/schemas/{model}",
    )
    schemas: Json = document["$defs"]
    for model in ordered:
        if issubclass(model, BaseModel):
            _describe_aliases(model, schemas[model.__name__])
    return schemas


def _build_adapter(model: type) -> TypeAdapter[Any]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        return TypeAdapter(ensure_model_built(model))
    return TypeAdapter(model)


def _describe_aliases(model: type[BaseModel], schema: Json) -> None:
    for field in model.model_fields.values():
        if not isinstance(field.validation_alias, AliasChoices):
            continue
        first, *others = [str(choice) for choice in field.validation_alias.choices]
        if others and first in schema["properties"]:
            names = ", ".join(f"`{other}`" for other in others)
            schema["properties"][first]["description"] = f"Also read as {names}."
