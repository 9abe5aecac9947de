"""The reference of the HTTP API, generated from docs/openapi.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from docs_site.markdown import code, table

Json: TypeAlias = dict[str, Any]
DOCUMENT = Path(__file__).parents[1] / "docs" / "openapi.json"

INTRODUCTION = """# HTTP API

```bash
curl http://127.0.0.1:8025/v1/mailboxes -H "Authorization: Bearer $MULTIMAIL_API_KEY"
```

This page is generated from [openapi.json](../openapi.json), the OpenAPI 3.1 document that every
server has at `GET /openapi.json`.

- **Authentication**: `Authorization: Bearer KEY`, or `X-API-Key: KEY`. The scope that an operation
  needs is stated with it.
- **Bodies** are JSON. A malformed field is a 400 that names it.
- **Errors** have [one schema](#{error}): a stable code, and a message that says what to do next.
  Every operation can answer 400, 413 (too large) and 503 (the database is unavailable, and nothing
  was changed). One that takes a key can answer 401, 403 and 429 (see `Retry-After`) too.
- **Lists** return a `cursor`. Pass it as `cursor` to get the next page; null means the last one.
- **`X-Request-Id`** is on every response. Name it when you report a problem.
- `GET` routes answer `HEAD` too.

[Parity](../parity.md) compares these operations with the published API's sources.
"""
_GROUPS = {
    "mailboxes": "Mailboxes and messages",
    "emails": "Spam",
    "attachments": "Attachments by link",
    "oversight": "Oversight",
    "approve": "Approval links",
    "notifications": "Notifications",
    "contacts": "Contacts",
    "account": "Account",
    "usage": "Usage",
    "export": "Export",
    "api-keys": "API keys",
    "audit-log": "Audit log",
    "webhooks": "Webhooks",
    "webhook-deliveries": "Webhook deliveries",
    "domains": "Domains",
    "suppression": "Suppression",
    "unsubscribe": "Unsubscribe",
    "test": "Test routes",
}
_PUBLIC, _FLAT = "Public", "Flat paths"
_OWN_ERRORS = ("404", "409", "410", "421")


def render() -> str:
    """Return the page as Markdown."""
    return render_document(json.loads(DOCUMENT.read_text("utf-8")))


def render_document(document: Json) -> str:
    """Return the page of an OpenAPI document."""
    schemas: Json = document["components"]["schemas"]
    error = next(name for name in schemas if name.startswith("Error"))
    groups: dict[str, list[str]] = {title: [] for title in (*_GROUPS.values(), _PUBLIC, _FLAT)}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups[_get_group(path)].append(_operation(method.upper(), path, operation))
    sections = ([f"## {title}", *operations] for title, operations in groups.items() if operations)
    listed = (_schema(name, schema) for name, schema in sorted(schemas.items()))
    introduction = INTRODUCTION.replace("{error}", _anchor(error))
    return "\n\n".join([introduction, *chain.from_iterable(sections), "## Schemas", *listed]) + "\n"


def _get_group(path: str) -> str:
    first, _, rest = path.strip("/").partition("/")
    if first != "v1":
        return _PUBLIC if first in ("health", "openapi.json", ".well-known") else _FLAT
    return _GROUPS.get(rest.partition("/")[0], _FLAT)


def _operation(method: str, path: str, operation: Json) -> str:
    scopes = {
        scope for entry in operation["security"] for names in entry.values() for scope in names
    }
    scope = " or ".join(code(scope) for scope in sorted(scopes)) or "none; no key is needed"
    summary = operation["summary"]
    title = re.split(r"[.:;,](?: |$)", summary)[0]
    parts = [f"### {title}", code(f"{method} {path}")]
    if title != summary.removesuffix("."):
        parts.append(summary)
    parts.append(f"Scope: {scope}.")
    query = [parameter for parameter in operation["parameters"] if parameter["in"] == "query"]
    if query:
        rows = [
            (code(row["name"]), _type(row["schema"]), row.get("description", "")) for row in query
        ]
        parts.append(table(("query", "type", "meaning"), rows))
    if "requestBody" in operation:
        parts.append(f"Body: {_content(operation['requestBody'])}.")
    parts.append(" ".join(_responses(operation["responses"])))
    return "\n\n".join(parts)


def _responses(responses: Json) -> Iterator[str]:
    for status, response in responses.items():
        if status < "400":
            yield f"Returns {status}: {_content(response)}."
    if errors := [code(status) for status in responses if status in _OWN_ERRORS]:
        yield f"Errors: {', '.join(errors)}."


def _content(holder: Json) -> str:
    """Return the bodies of a request or response: a schema for JSON, else the media type."""
    shapes = (
        _type(content["schema"])
        if media_type == "application/json" and "schema" in content
        else code(media_type)
        for media_type, content in holder.get("content", {}).items()
    )
    return " or ".join(dict.fromkeys(shapes)) or "nothing"


def _schema(name: str, schema: Json) -> str:
    parts = [f"### {name} {{ #{_anchor(name)} }}"]
    if schema.get("description"):
        parts.append(" ".join(schema["description"].split()))
    if "enum" in schema:
        parts.append(f"One of {', '.join(map(code, schema['enum']))}.")
    required = schema.get("required", ())
    rows = [
        (
            code(field),
            _type(shape),
            "yes" if field in required else "",
            shape.get("description", ""),
        )
        for field, shape in schema.get("properties", {}).items()
    ]
    if rows:
        parts.append(table(("field", "type", "required", "meaning"), rows))
    return "\n\n".join(parts)


def _type(shape: Json) -> str:
    """Return a JSON schema as a few words, with links to the named ones."""
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return f"[{name}](#{_anchor(name)})"
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(_type(part) for part in shape["anyOf"]))
    if "enum" in shape:
        return ", ".join(code(value) for value in shape["enum"])
    if shape.get("type") == "array":
        return f"list of {_type(shape.get('items', {}))}"
    return f"{shape.get('format') or shape.get('type', 'any')}{_limits(shape)}"


def _limits(shape: Json) -> str:
    words = {"maxLength": "at most {} characters", "minimum": "from {}", "maximum": "to {}"}
    limits = [text.format(f"{shape[key]:,}") for key, text in words.items() if key in shape]
    if shape.get("default") is not None:
        limits.append(f"default {shape['default']}")
    return f" ({', '.join(limits)})" if limits else ""


def _anchor(name: str) -> str:
    return "schema-" + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
