"""The options of `multimail serve`, made from the settings that `ServerConfig` declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import typer

from multimail_server.clock import Clock
from multimail_server.config import DeclaredSetting, ServerConfig, get_settings


def build_options() -> list[inspect.Parameter]:
    """Return a parameter for each setting that has an option; its default is "not given"."""
    return [_build_option(item) for item in get_settings() if item.setting.option]


def build_config(options: dict[str, Any], **settings: Any) -> ServerConfig:
    """Return the configuration that the options say.

    Args:
        options: The values of the options by the names of the settings; None where not given.
        settings: Settings that have no option.
    Raises:
        typer.BadParameter: A value cannot be used.
    """
    for item in get_settings():
        value = options.get(item.name)
        if value is not None:
            settings[item.field] = _convert(item, value)
    return ServerConfig(**settings)


def option_name(item: DeclaredSetting) -> str:
    """Return the name of a setting's option, such as `--smtp-port`."""
    return f"--{item.name.replace('_', '-')}"


def default_text(item: DeclaredSetting) -> str:
    """Return the default of a setting in words."""
    if item.setting.default or item.value is None:
        return item.setting.default or "none"
    return "off" if item.value is False else str(item.value)


def _build_option(item: DeclaredSetting) -> inspect.Parameter:
    setting, is_flag, default = item.setting, item.type is bool, default_text(item)
    option: Any = typer.Option(
        False if is_flag else None,
        option_name(item),
        help=setting.help if default in ("none", "off") else f"{setting.help} Default: {default}.",
        metavar=setting.metavar,
        envvar=setting.env,
        min=setting.minimum,
        max=setting.maximum,
        show_default=False,
    )
    kind = setting.choices or _TYPED_AS.get(item.type, item.type)
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option,
        annotation=kind if is_flag else kind | None,
    )


_TYPED_AS: dict[Any, Any] = {timedelta: int, Clock: str}
"""What a person types for a setting of a type that the command line does not know."""


def _parse_clock(text: str) -> Clock:
    from multimail_server.testing.clock import parse_clock

    return parse_clock(text)


_PARSERS: dict[Any, Callable[[Any], Any]] = {
    timedelta: lambda seconds: timedelta(seconds=seconds),
    Clock: _parse_clock,
}


def _convert(item: DeclaredSetting, value: Any) -> Any:
    try:
        return _PARSERS[item.type](value) if item.type in _PARSERS else value
    except ValueError as error:
        raise typer.BadParameter(f"{option_name(item)}: {error}.") from None
