"""Calendar invitations in words (RFC 5545, RFC 5546): what, when, where and who.

A small reader instead of the package `icalendar`, which refuses a calendar that is cut off, builds
time zones that are only named here, and takes half a second to import.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from .mime import Part

MAX_CALENDAR_CHARS = 512 * 1024
_MAX_EVENTS = 10
_MAX_DEPTH = 10
_MAX_PEOPLE = 30
_MAX_VALUE = 2000
_FOLD = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(
    r"([A-Za-z0-9-]{1,60})((?:;[^:;\"]{0,500}(?:\"[^\"]{0,500}\"[^:;\"]{0,100})*)*):"
)
_PARAMETER = re.compile(r";([A-Za-z0-9-]{1,60})=(?:\"([^\"]*)\"|([^;\"]*))")
_ESCAPE = re.compile(r"\\([\\;,nN])")
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d{0,2}(Z?))?")
_DURATION = re.compile(
    r"([+-]?)P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,5})M)?)?"
)
_CARET = re.compile(r"\^(['n^])")
_RULE_PART = re.compile(r"([A-Z]{2,12})=([^;]{1,200})")
_TYPES = frozenset({"text/calendar", "text/x-vcalendar", "application/ics"})
_COMPONENTS = {"VEVENT": "Event", "VTODO": "Task"}
_METHODS = {
    "REQUEST": "Invitation or update",
    "CANCEL": "Cancellation: the event is cancelled",
    "REPLY": "Reply to an invitation",
    "COUNTER": "Proposal of another time",
    "DECLINECOUNTER": "Refusal of a proposed time",
    "ADD": "Additional dates of an event",
    "REFRESH": "Request for the newest version of an event",
    "PUBLISH": "Event for information",
}
_ANSWERS = {
    "ACCEPTED": "accepted",
    "DECLINED": "declined",
    "TENTATIVE": "tentative",
    "NEEDS-ACTION": "no answer yet",
    "DELEGATED": "delegated",
}
_LINKS = ("URL", "CONFERENCE", "X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL")
_MAX_LINKS = 5
_UNITS = ("week", "day", "hour", "minute")
_FREQUENCIES = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}


@dataclass(frozen=True, slots=True)
class _Property:
    name: str
    parameters: dict[str, str]
    value: str

    @property
    def text(self) -> str:
        """The value without its escapes."""
        shorter = self.value[:_MAX_VALUE]
        return _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], shorter).strip()


@dataclass(slots=True)
class _Component:
    kind: str
    properties: list[_Property] = field(default_factory=list)

    def all(self, name: str) -> list[_Property]:
        return [prop for prop in self.properties if prop.name == name]

    def text(self, name: str) -> str:
        return next((prop.text for prop in self.all(name)), "")


def describe_calendar(text: str) -> str:
    """Return a calendar in words, one event after the other; empty if it has none.

    Of more than 512 K characters and ten events the rest is left out, which is said.
    """
    method, components = _parse(text[:MAX_CALENDAR_CHARS])
    shown = ["\n".join(_describe(item, method)) for item in components[:_MAX_EVENTS]]
    if len(components) > _MAX_EVENTS or len(text) > MAX_CALENDAR_CHARS:
        shown.append("The calendar has more than that.")
    return "\n\n".join(shown)


def is_calendar(part: Part) -> bool:
    """Return whether a part is a calendar, by its type or its name."""
    return part.content_type in _TYPES or part.file_name().lower().endswith(".ics")


def _parse(text: str) -> tuple[str, list[_Component]]:
    """Return a calendar's method, and its events and tasks."""
    method, components = "", []
    stack: list[_Component] = []
    for line in _FOLD.sub("", text).splitlines():
        prop = _parse_line(line)
        if prop is None:
            continue
        if prop.name == "BEGIN":
            del stack[_MAX_DEPTH:]
            stack.append(_Component(prop.value.strip().upper()))
            if stack[-1].kind in _COMPONENTS:
                components.append(stack[-1])
        elif prop.name == "END":
            del stack[-1:]
        elif prop.name == "METHOD" and len(stack) < 2:
            method = prop.value.strip().upper()
        elif stack:
            stack[-1].properties.append(prop)
    return method, components


def _parse_line(line: str) -> _Property | None:
    match = _LINE.match(line)
    if match is None:
        return None
    pairs = ((m[1].upper(), m[2] or m[3] or "") for m in _PARAMETER.finditer(match[2]))
    parameters = {name: _CARET.sub(_unescape_caret, value) for name, value in pairs}
    return _Property(match[1].upper(), parameters, line[match.end() :])


def _unescape_caret(match: re.Match[str]) -> str:
    """Return what a caret and a character mean in a parameter (RFC 6868)."""
    return {"'": '"', "n": " "}.get(match[1], "^")


def _describe(component: _Component, method: str) -> Iterator[str]:
    status = component.text("STATUS").upper()
    cancelled = status == "CANCELLED" and method != "CANCEL"
    yield _METHODS.get(method, "Calendar entry") + (" (cancelled)" if cancelled else "") + "."
    yield f"{_COMPONENTS[component.kind]}: {component.text('SUMMARY') or '(no title)'}"
    yield from _describe_times(component)
    if place := component.text("LOCATION"):
        yield f"Where: {place}"
    links = (prop.text for name in _LINKS for prop in component.all(name)[:_MAX_LINKS])
    yield from (f"Link: {link}" for link in dict.fromkeys(links) if link)
    if status:
        yield f"Status: {status.lower()}"
    yield from _describe_people(component)
    if sequence := component.text("SEQUENCE"):
        yield f"Version: {sequence}"
    for label, name in (("Comment", "COMMENT"), ("Description", "DESCRIPTION")):
        if value := component.text(name):
            yield f"{label}: {value}"


def _describe_times(component: _Component) -> Iterator[str]:
    starts, ends = component.all("DTSTART"), component.all("DTEND") or component.all("DUE")
    start = _describe_moment(starts[0]) if starts else ""
    end = _describe_moment(ends[0]) if ends else ""
    if starts and "T" not in starts[0].value:
        days = 0 if ends else _get_days(component.text("DURATION"))
        last = _describe_last_day((ends or starts)[0].value, days)
        yield f"When: {start}{f' to {last}' if last and last != start else ''}, all day"
    elif start or end:
        duration = _describe_duration(component.text("DURATION"))
        yield f"When: {start}{f' to {end}' if end else ''}{duration}"
    for rule in component.all("RRULE")[:3]:
        yield f"Repeats: {_describe_rule(rule.value)}"
    for label, name in (("Not on", "EXDATE"), ("Also on", "RDATE")):
        if moments := component.all(name)[:_MAX_PEOPLE]:
            yield f"{label}: {', '.join(map(_describe_moment, moments))}"
    for moment in component.all("RECURRENCE-ID")[:1]:
        is_series = moment.parameters.get("RANGE", "").upper() == "THISANDFUTURE"
        which = (
            "The date that was on, and all after it" if is_series else "Only the date that was on"
        )
        yield f"{which}: {_describe_moment(moment)}"


def _describe_moment(prop: _Property) -> str:
    """Return the moments of a property, each with its time zone."""
    zone = prop.parameters.get("TZID", "")
    values = [_format_moment(value, zone) for value in prop.value[:_MAX_VALUE].split(",")]
    return ", ".join(values)


def _format_moment(value: str, zone: str) -> str:
    match = _MOMENT.match(value.strip())
    if match is None:
        return value.strip()[:80]
    day, time = f"{match[1]}-{match[2]}-{match[3]}", f"{match[4]}:{match[5]}"
    with suppress(ValueError):
        day = f"{date.fromisoformat(day):%a} {day}"
    if not match[4]:
        return day
    named = "UTC" if match[6] else zone.strip()
    return f"{day} {time} ({named})" if named else f"{day} {time} (no time zone)"


def _describe_last_day(value: str, days: int = 0) -> str:
    """Return the day before the one that is `days` after a day: before DTEND, by default."""
    try:
        day = datetime.strptime(value.strip()[:8], "%Y%m%d").date()  # noqa: DTZ007 - a day
        last = day + timedelta(days=days - 1)
    except (ValueError, OverflowError):
        return ""
    return f"{last:%a} {last.isoformat()}"


def _get_days(value: str) -> int:
    """Return the length of an event of whole days; it is 1 by default (RFC 5545 3.6.1)."""
    match = _DURATION.match(value.strip().upper())
    weeks, days = (int(n or 0) for n in match.groups()[1:3]) if match else (0, 0)
    return weeks * 7 + days or 1


def _describe_duration(value: str) -> str:
    match = _DURATION.match(value.strip().upper())
    counts = zip(match.groups()[1:] if match else (), _UNITS, strict=False)
    words = [f"{int(n)} {unit}{'' if int(n) == 1 else 's'}" for n, unit in counts if n]
    return f", for {' '.join(words)}" if words else ""


def _describe_rule(value: str) -> str:
    """Return a recurrence rule in words; parts without words stand as they are."""
    parts = dict(_RULE_PART.findall(value.upper()[:_MAX_VALUE]))
    unit = _FREQUENCIES.get(parts.pop("FREQ", ""))
    if unit is None:
        return value[:200]
    interval = parts.pop("INTERVAL", "1")
    words = f"every {unit}" if interval == "1" else f"every {interval} {unit}s"
    words += f" on {parts.pop('BYDAY')}" if "BYDAY" in parts else ""
    words += f", {parts.pop('COUNT')} times" if "COUNT" in parts else ""
    words += f", until {_format_moment(parts.pop('UNTIL'), '')}" if "UNTIL" in parts else ""
    parts.pop("WKST", None)
    rest = ";".join(f"{name}={value}" for name, value in parts.items())
    return f"{words} ({rest})" if rest else words


def _describe_people(component: _Component) -> Iterator[str]:
    for organizer in component.all("ORGANIZER")[:1]:
        yield f"Organizer: {_describe_person(organizer)}"
    people = component.all("ATTENDEE")
    names = []
    for person in people[:_MAX_PEOPLE]:
        answer = _ANSWERS.get(person.parameters.get("PARTSTAT", "").upper(), "")
        optional = person.parameters.get("ROLE", "").upper() == "OPT-PARTICIPANT"
        facts = ", ".join(filter(None, [answer, "optional" if optional else ""]))
        names.append(f"{_describe_person(person)}{f' ({facts})' if facts else ''}")
    if len(people) > _MAX_PEOPLE:
        names.append(f"{len(people) - _MAX_PEOPLE} more")
    if names:
        yield f"Attendees: {'; '.join(names)}"


def _describe_person(person: _Property) -> str:
    address = re.sub(r"(?i)^mailto:", "", person.text)[:320]
    name = person.parameters.get("CN", "").strip()
    return f"{name} <{address}>" if name and name != address else address
