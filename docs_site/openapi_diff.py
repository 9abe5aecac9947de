"""Compares two OpenAPI documents and says of each difference whether it breaks a client.

Breaking is what an existing client can notice: a path, parameter, field, status or enum value that
is gone, a request that must contain or may no longer contain something, a response that can be of
another type. Additions to responses are compatible: clients ignore fields that they do not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_UPPER_LIMITS = ("maxLength", "maxItems", "maximum", "maxProperties")
_LOWER_LIMITS = ("minLength", "minItems", "minimum", "minProperties")


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One difference.

    Attributes:
        location: Where it is, such as `POST /v1/contacts request.email`.
        description: What differs.
        breaking: Whether an existing client can fail because of it.
    """

    location: str
    description: str
    breaking: bool

    def __str__(self) -> str:
        kind = "breaking" if self.breaking else "compatible"
        return f"{kind}: {self.location}: {self.description}"


def compare(old: Json, new: Json) -> list[Change]:
    """Return the differences between two OpenAPI documents, the breaking ones first."""
    changes = set(_Comparison(old, new).compare())
    return sorted(changes, key=lambda change: (not change.breaking, change))


class _Comparison:
    def __init__(self, old: Json, new: Json) -> None:
        self._old, self._new = old, new

    def compare(self) -> Iterator[Change]:
        old, new = _get_operations(self._old), _get_operations(self._new)
        yield from _compare_names("", old, new, "the operation")
        for name in old.keys() & new.keys():
            yield from self._compare_operation(name, old[name], new[name])

    def _compare_operation(self, name: str, old: Json, new: Json) -> Iterator[Change]:
        yield from self._compare_parameters(name, old, new)
        yield from self._compare_body(name, old.get("requestBody"), new.get("requestBody"))
        yield from self._compare_responses(name, old["responses"], new["responses"])
        old_scopes, new_scopes = _get_scopes(old), _get_scopes(new)
        if old_scopes != new_scopes:
            breaking = not old_scopes <= new_scopes if new_scopes else False
            yield Change(
                name,
                f"scopes were {_join(old_scopes)}, are {_join(new_scopes)}",
                breaking or not old_scopes,
            )

    def _compare_parameters(self, name: str, old: Json, new: Json) -> Iterator[Change]:
        old_by_name = {parameter["name"]: parameter for parameter in old.get("parameters", [])}
        new_by_name = {parameter["name"]: parameter for parameter in new.get("parameters", [])}
        location = f"{name} parameter"
        required = {key for key, value in new_by_name.items() if value.get("required")}
        yield from _compare_names(location, old_by_name, new_by_name, "", required)
        for key in old_by_name.keys() & new_by_name.keys():
            schemas = old_by_name[key]["schema"], new_by_name[key]["schema"]
            yield from self._compare_schemas(f"{location} {key}", *schemas, in_request=True)

    def _compare_body(self, name: str, old: Json | None, new: Json | None) -> Iterator[Change]:
        location = f"{name} request"
        if old is None or new is None:
            if new is not None:
                yield Change(location, "a body was added", bool(new.get("required")))
            elif old is not None:
                yield Change(location, "the body was removed", True)
            return
        if new.get("required") and not old.get("required"):
            yield Change(location, "the body is required now", True)
        yield from self._compare_content(location, old["content"], new["content"], in_request=True)

    def _compare_responses(self, name: str, old: Json, new: Json) -> Iterator[Change]:
        yield from _compare_names(f"{name} response", old, new, "")
        for status in old.keys() & new.keys():
            responses = _resolve(old[status], self._old), _resolve(new[status], self._new)
            content = [response.get("content", {}) for response in responses]
            location = f"{name} response {status}"
            yield from self._compare_content(location, *content, in_request=False)

    def _compare_content(
        self, location: str, old: Json, new: Json, *, in_request: bool
    ) -> Iterator[Change]:
        yield from _compare_names(location, old, new, "media type")
        for media_type in old.keys() & new.keys():
            schemas = old[media_type].get("schema", {}), new[media_type].get("schema", {})
            yield from self._compare_schemas(location, *schemas, in_request=in_request)

    def _compare_schemas(
        self, location: str, old: Json, new: Json, *, in_request: bool, depth: int = 0
    ) -> Iterator[Change]:
        if depth > 12:
            return
        before, after = _flatten(old, self._old), _flatten(new, self._new)
        narrowed, widened = before.types - after.types, after.types - before.types
        if narrowed:
            yield Change(location, f"can no longer be {_join(narrowed)}", in_request)
        if widened:
            yield Change(location, f"can also be {_join(widened)}", not in_request)
        yield from _compare_enums(location, before, after)
        yield from _compare_limits(location, before.limits, after.limits, in_request=in_request)
        yield from _compare_fields(location, before, after, in_request=in_request)
        for name in before.properties.keys() & after.properties.keys():
            properties = before.properties[name], after.properties[name]
            yield from self._compare_schemas(
                f"{location}.{name}", *properties, in_request=in_request, depth=depth + 1
            )
        if before.items is not None and after.items is not None:
            yield from self._compare_schemas(
                f"{location}[]", before.items, after.items, in_request=in_request, depth=depth + 1
            )


@dataclass(slots=True)
class _FlatSchema:
    """A schema with its references resolved and its alternatives merged."""

    types: set[str]
    enum: set[str] | None
    limits: Json
    properties: Json
    required: set[str]
    items: Json | None


def _flatten(schema: Json, document: Json) -> _FlatSchema:
    alternatives = list(_get_alternatives(schema, document))
    objects = [part for part in alternatives if "properties" in part]
    enums = [part for part in alternatives if "enum" in part or "const" in part]
    plain_strings = [
        part for part in alternatives if part.get("type") == "string" and part not in enums
    ]
    values = {str(value) for part in enums for value in part.get("enum", [part.get("const")])}
    items = next((part["items"] for part in alternatives if part.get("items")), None)
    return _FlatSchema(
        types={_get_type(part) for part in alternatives},
        enum=values if enums and not plain_strings else None,
        limits={key: value for part in alternatives for key, value in part.items()
                if key in _UPPER_LIMITS + _LOWER_LIMITS},
        properties={name: value for part in objects for name, value in part["properties"].items()},
        required=set.intersection(*(set(part.get("required", ())) for part in objects))
        if objects else set(),
        items=items,
    )  # fmt: skip


def _get_alternatives(schema: Json, document: Json) -> Iterator[Json]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from _get_alternatives(document["components"]["schemas"][name], document)
    elif "anyOf" in schema or "oneOf" in schema:
        for part in schema.get("anyOf") or schema["oneOf"]:
            yield from _get_alternatives(part, document)
    else:
        yield schema


def _get_type(schema: Json) -> str:
    if "type" in schema:
        return str(schema["type"])
    if "enum" in schema or "const" in schema:
        value = schema.get("const", next(iter(schema.get("enum", [None])), None))
        return "string" if isinstance(value, str) else "boolean" if value is True else "null"
    return "any"


def _compare_names(
    location: str, old: Json, new: Json, kind: str, required: set[str] | None = None
) -> Iterator[Change]:
    for name in old.keys() - new.keys():
        yield Change(f"{location} {name}".strip(), f"{kind} was removed".strip(), True)
    for name in new.keys() - old.keys():
        is_required = name in (required or ())
        description = f"{kind} was added{' and is required' if is_required else ''}".strip()
        yield Change(f"{location} {name}".strip(), description, is_required)


def _compare_enums(location: str, old: _FlatSchema, new: _FlatSchema) -> Iterator[Change]:
    if old.enum is None or new.enum is None:
        return
    if old.enum - new.enum:
        yield Change(location, f"the values {_join(old.enum - new.enum)} were removed", True)
    if new.enum - old.enum:
        yield Change(location, f"the values {_join(new.enum - old.enum)} were added", False)


def _compare_limits(location: str, old: Json, new: Json, *, in_request: bool) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if after is None:
            tighter = False
        elif before is None:
            tighter = True
        else:
            tighter = after < before if name in _UPPER_LIMITS else after > before
        yield Change(location, f"{name} was {before}, is {after}", tighter and in_request)


def _compare_fields(
    location: str, old: _FlatSchema, new: _FlatSchema, *, in_request: bool
) -> Iterator[Change]:
    required = new.required if in_request else set[str]()
    yield from _compare_names(location, old.properties, new.properties, "field", required)
    for name in old.properties.keys() & new.properties.keys():
        if name in new.required - old.required:
            yield Change(f"{location} {name}", "field is required now", in_request)
        if name in old.required - new.required:
            yield Change(f"{location} {name}", "field can be missing now", not in_request)


def _resolve(response: Json, document: Json) -> Json:
    if "$ref" not in response:
        return response
    found: Json = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return found


def _get_operations(document: Json) -> Json:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def _get_scopes(operation: Json) -> set[str]:
    return {
        scope
        for scheme in operation.get("security", [])
        for scopes in scheme.values()
        for scope in scopes
    }


def _join(values: set[str]) -> str:
    return ", ".join(sorted(values)) or "none"
