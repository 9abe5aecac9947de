"""The committed description of the API and the parity page are those of the server's routes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from docs_site import api_description
from docs_site.openapi_diff import compare

from multimail import AsyncMultiMail, MultiMail
from multimail._methods import ClientMethod, Methods
from multimail_server.api.routes import API_ROUTES
from multimail_server.api.routing import get_operations

Json = dict[str, Any]


def test_every_client_method_has_a_route() -> None:
    methods = {name for name, value in vars(Methods).items() if isinstance(value, ClientMethod)}
    # Not one call, but as many as it takes: each client has its own.
    assert all(hasattr(client, "listen") for client in (MultiMail, AsyncMultiMail))
    assert set(get_operations(API_ROUTES)) == methods | {"listen"}


def test_the_committed_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    """Run scripts/openapi after a change of a route, and commit what it writes."""
    status = api_description.main(["--check"])
    assert status == 0, capsys.readouterr().out


@pytest.fixture(scope="module")
def document() -> Json:
    return api_description.build_openapi()


def get_operation(document: Json, method: str, path: str) -> Json:
    operation: Json = document["paths"][path][method]
    return operation


def remove_path(document: Json) -> None:
    del document["paths"]["/v1/contacts"]


def remove_response_field(document: Json) -> None:
    del document["components"]["schemas"]["ContactOut"]["properties"]["email"]


def make_response_field_optional(document: Json) -> None:
    document["components"]["schemas"]["ContactOut"]["required"].remove("email")


def require_request_field(document: Json) -> None:
    document["components"]["schemas"]["ContactIn"]["required"].append("name")


def remove_enum_value(document: Json) -> None:
    schema = document["components"]["schemas"]["LinkDecideIn"]["properties"]["action"]
    schema["enum"] = ["approve"]


def tighten_limit(document: Json) -> None:
    schema = document["components"]["schemas"]["SendIn"]["properties"]["subject"]
    schema["maxLength"] = 10


def remove_scope(document: Json) -> None:
    operation = get_operation(document, "get", "/v1/usage")
    operation["security"] = [way for way in operation["security"] if ["read"] not in way.values()]


def remove_parameter(document: Json) -> None:
    get_operation(document, "get", "/v1/contacts")["parameters"].clear()


@pytest.mark.parametrize(
    ("change", "location"),
    [
        (remove_path, "GET /v1/contacts"),
        (remove_response_field, "POST /v1/contacts response 201 email"),
        (make_response_field_optional, "POST /v1/contacts response 201 email"),
        (require_request_field, "POST /v1/contacts request name"),
        (remove_enum_value, "POST /v1/approve/{token} request.action"),
        (tighten_limit, "POST /v1/mailboxes/{mailbox}/send request.subject"),
        (remove_scope, "GET /v1/usage"),
        (remove_parameter, "GET /v1/contacts parameter q"),
    ],
)
def test_a_change_breaks_clients_and_its_reverse_does_not(
    document: Json, change: Any, location: str
) -> None:
    changed = copy.deepcopy(document)
    change(changed)
    assert [
        difference for difference in compare(document, changed) if difference.location == location
    ]
    assert all(difference.breaking for difference in compare(document, changed))
    assert not any(difference.breaking for difference in compare(changed, document))


def test_equal_documents_have_no_changes(document: Json) -> None:
    assert compare(document, copy.deepcopy(document)) == []
