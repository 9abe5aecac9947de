"""A Griffe extension: documents what code defines at run time, such as methods and options."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import griffe

_OPTIONS = ("ToolkitOptions", "SessionOptions")


class Multimail(griffe.Extension):
    """Shows client methods with their endpoints' arguments, and `**options` as arguments."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        """Change a package once it is loaded."""
        del kwargs
        core = pkg
        if pkg.path == "multimail":
            _show_methods(pkg)
        else:
            loaded = loader.load("multimail")
            assert isinstance(loaded, griffe.Module)
            core = loaded
        if pkg.path == "multimail_server":
            _show_settings(pkg["config.ServerConfig"])
        fields = {name: list(_fields(core, name)) for name in _OPTIONS}
        for function in _functions(pkg):
            _show_options(function, fields)


def _show_methods(pkg: griffe.Module) -> None:
    methods = pkg["_methods.Methods"]
    for name, attribute in list(methods.members.items()):
        if isinstance(attribute, griffe.Attribute):
            methods.set_member(name, _method(name, attribute, pkg))


def _method(name: str, attribute: griffe.Attribute, pkg: griffe.Module) -> griffe.Function:
    """Return the method that `name = endpoint(api.function)` defines."""
    descriptor = attribute.value
    assert isinstance(descriptor, griffe.ExprCall)
    function = str(descriptor.arguments[0]).removeprefix("api.")
    endpoint = pkg[f"endpoints.{function}"].final_target
    method = griffe.Function(
        name,
        lineno=attribute.lineno,
        endlineno=attribute.endlineno,
        parameters=endpoint.parameters,
        returns=_result(endpoint.returns, pages=str(descriptor.function) == "paginated"),
        docstring=endpoint.docstring,
    )
    method.labels.add("operation")
    return method


def _result(annotation: Any, *, pages: bool) -> Any:
    """Return `T` of `Call[T]` and of `Generator[…, …, T]`; of a page, an iterator of its rows."""
    if not isinstance(annotation, griffe.ExprSubscript):
        return annotation
    inner = annotation.slice
    if isinstance(inner, griffe.ExprTuple):
        inner = inner.elements[-1]
    if pages and isinstance(inner, griffe.ExprSubscript):
        return griffe.ExprSubscript(griffe.ExprName("Iterator"), inner.slice)
    return inner


def _show_settings(config: griffe.Class) -> None:
    """Show `field: Annotated[T, Setting("help", ...)]` as a field of type T with that help."""
    for attribute in config.members.values():
        if isinstance(attribute, griffe.Attribute):
            annotated = attribute.annotation
            assert isinstance(annotated, griffe.ExprSubscript)
            assert isinstance(annotated.slice, griffe.ExprTuple)
            kind, setting = annotated.slice.elements
            assert isinstance(setting, griffe.ExprCall)
            attribute.annotation = kind
            words = ast.literal_eval(str(setting.arguments[0]))
            attribute.docstring = griffe.Docstring(words, parent=attribute)


def _fields(core: griffe.Module, name: str) -> Iterator[griffe.Parameter]:
    """Yield the keyword arguments that a TypedDict of options describes, its bases' first."""
    options = core[f"tools._toolkit.{name}"]
    for base in options.bases:
        if str(base) in _OPTIONS:
            yield from _fields(core, str(base))
    for field in options.members.values():
        yield griffe.Parameter(
            field.name,
            annotation=field.annotation,
            kind=griffe.ParameterKind.keyword_only,
            default="...",
        )


def _functions(inside: griffe.Module | griffe.Class) -> Iterator[griffe.Function]:
    for member in inside.members.values():
        if isinstance(member, griffe.Function):
            yield member
        elif isinstance(member, griffe.Module | griffe.Class):
            yield from _functions(member)


def _show_options(function: griffe.Function, fields: dict[str, list[griffe.Parameter]]) -> None:
    shown: list[griffe.Parameter] = []
    for parameter in function.parameters:
        options = str(parameter.annotation).removeprefix("Unpack[").removesuffix("]")
        shown += fields.get(options, [parameter])
    function.parameters = griffe.Parameters(*shown)
