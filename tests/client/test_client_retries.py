"""Retries: a send with faults sends one email, and an ambiguous write is not repeated."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.support import (
    Connect,
    FakeApi,
    Fault,
    cut_after_work,
    get_body,
    json_response,
    limited,
    refused,
    reset_after_work,
    timeout_after_work,
    unavailable_after_work,
)

from multimail import (
    Call,
    ConflictError,
    NetworkError,
    OutcomeUnknownError,
    Pause,
    RateLimitError,
    Retry,
    ServerError,
)
from multimail import endpoints as endpoints
from multimail._call import parse_retry_after
from multimail._execution import MailboxCache, Request, execute
from multimail._http import Response
from multimail._transport_errors import TransportError

AMBIGUOUS = [reset_after_work, cut_after_work, timeout_after_work, unavailable_after_work]
HARMLESS = [refused, limited("0")]
SEND: dict[str, Any] = {"to": "bob@y.test", "subject": "S", "body": "B"}


def name(value: Any) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize("fault", [*AMBIGUOUS, *HARMLESS], ids=name)
async def test_send_with_a_fault_sends_once(connect: Connect, fault: Fault) -> None:
    fake_api = FakeApi()
    fake_api.faults.append(fault)
    result = await connect(fake_api).send_email(**SEND)
    assert list(fake_api.emails) == ["msg_1"]
    assert result.id == "msg_1"
    assert result.duplicate is (fault in AMBIGUOUS)
    sends = [request for request in fake_api.requests if request.url.path.endswith("/send")]
    assert len(sends) == 2
    assert len({get_body(request)["idempotency_key"] for request in sends}) == 1


@pytest.mark.parametrize("fault", [*AMBIGUOUS, *HARMLESS], ids=name)
async def test_reply_with_a_fault_sends_once(connect: Connect, fault: Fault) -> None:
    fake_api = FakeApi()
    fake_api.hold("em_1", "mb_1")
    fake_api.faults.append(fault)
    await connect(fake_api).reply_email("em_1", "Yes")
    assert list(fake_api.emails) == ["em_1", "msg_2"]


async def test_send_with_three_faults_sends_once(connect: Connect) -> None:
    fake_api = FakeApi()
    fake_api.faults.extend([timeout_after_work, refused, unavailable_after_work])
    assert (await connect(fake_api).send_email(**SEND)).duplicate
    assert len(fake_api.emails) == 1


async def test_two_identical_sends_are_two_emails(connect: Connect) -> None:
    fake_api = FakeApi()
    api = connect(fake_api)
    await api.send_email(**SEND)
    await api.send_email(**SEND)
    assert len(fake_api.emails) == 2


@pytest.mark.parametrize("fault", AMBIGUOUS, ids=name)
async def test_outcome_unknown_error_has_the_idempotency_key(
    connect: Connect, fault: Fault
) -> None:
    fake_api = FakeApi()
    fake_api.faults.extend([fault] * 4)
    api = connect(fake_api)
    with pytest.raises(OutcomeUnknownError) as caught:
        await api.send_email(**SEND)
    error = caught.value
    assert (error.operation, error.idempotency_key) == ("send_email", next(iter(fake_api.accepted)))
    assert "may have been carried out" in str(error)
    assert not isinstance(error, ServerError)
    again = await api.send_email(**SEND, idempotency_key=error.idempotency_key)
    assert again.duplicate
    assert len(fake_api.emails) == 1


@pytest.mark.parametrize("last", [refused, limited("1")], ids=["refused", "limited"])
@pytest.mark.parametrize("first", AMBIGUOUS, ids=name)
async def test_earlier_ambiguous_attempt_keeps_the_outcome_unknown(
    connect: Connect, first: Fault, last: Fault
) -> None:
    fake_api = FakeApi()
    fake_api.faults.extend([first, last, last, last])
    with pytest.raises(OutcomeUnknownError) as caught:
        await connect(fake_api).send_email(**SEND)
    assert caught.value.idempotency_key == next(iter(fake_api.accepted))


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("decide_email", {"message_id": "em_1", "action": "approve"}),
        ("create_api_key", {"name": "ci"}),
        ("add_contact", {"email": "bob@y.test"}),
    ],
)
@pytest.mark.parametrize("fault", AMBIGUOUS, ids=name)
async def test_write_without_a_key_is_not_repeated(
    connect: Connect, method: str, args: dict[str, Any], fault: Fault
) -> None:
    fake_api = FakeApi()
    fake_api.faults.append(fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        await getattr(connect(fake_api), method)(**args)
    assert (caught.value.operation, caught.value.idempotency_key) == (method, None)
    assert len(fake_api.requests) == len(fake_api.done) == 1


@pytest.mark.parametrize("fault", HARMLESS, ids=name)
async def test_write_that_was_not_sent_is_repeated(connect: Connect, fault: Fault) -> None:
    fake_api = FakeApi()
    fake_api.faults.append(fault)
    await connect(fake_api).decide_email("em_1", "approve")
    assert fake_api.done == ["/v1/oversight/decide"]
    assert len(fake_api.requests) == 2


async def test_unreachable_api_is_a_network_error(connect: Connect) -> None:
    fake_api = FakeApi()
    fake_api.faults.extend([refused] * 4)
    with pytest.raises(NetworkError) as caught:
        await connect(fake_api).send_email(**SEND)
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert "api.multimail.test:443: the connection failed (4 tries)" in str(caught.value)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)
    assert not fake_api.emails


@pytest.mark.parametrize("fault", [*AMBIGUOUS, *HARMLESS], ids=name)
async def test_a_read_is_repeated_after_any_fault(connect: Connect, fault: Fault) -> None:
    fake_api = FakeApi()
    fake_api.hold("em_1", "mb_1")
    fake_api.faults.extend([fault] * 3)
    assert (await connect(fake_api).read_email("em_1")).id == "em_1"


async def test_failed_read_has_no_unknown_outcome(connect: Connect) -> None:
    fake_api = FakeApi()
    fake_api.faults.extend([unavailable_after_work] * 4)
    with pytest.raises(ServerError, match=r"upstream gone \(503\)"):
        await connect(fake_api).check_inbox()
    fake_api.faults.extend([timeout_after_work] * 4)
    with pytest.raises(NetworkError) as caught:
        await connect(fake_api).check_inbox()
    assert type(caught.value) is NetworkError


async def test_error_status_is_not_repeated(connect: Connect) -> None:
    fake_api = FakeApi()
    fake_api.faults.append(
        lambda request, serve: json_response({"error": "Same content", "code": "dup"}, 409)
    )
    with pytest.raises(ConflictError) as caught:
        await connect(fake_api).send_email(**SEND)
    assert (caught.value.code, caught.value.status_code) == ("dup", 409)
    assert len(fake_api.requests) == 2


@pytest.mark.parametrize("wait", ["1", "3"])
async def test_long_retry_after_is_raised(connect: Connect, wait: str) -> None:
    fake_api = FakeApi()
    fake_api.faults.append(limited(wait))
    with pytest.raises(RateLimitError) as caught:
        await connect(fake_api).send_email(**SEND)
    assert caught.value.retry_after == float(wait)
    assert not fake_api.emails


async def test_distant_retry_after_date_is_raised(connect: Connect) -> None:
    fake_api = FakeApi()
    fake_api.faults.append(
        limited(format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True))
    )
    with pytest.raises(RateLimitError) as caught:
        await connect(fake_api).check_inbox()
    assert caught.value.retry_after == pytest.approx(3, abs=1.5)


async def test_past_retry_after_date_is_no_delay(connect: Connect) -> None:
    fake_api = FakeApi()
    fake_api.faults.append(limited("Sat, 01 Nov 2025 10:00:00 GMT"))
    await connect(fake_api).check_inbox()


def get_delays(operation: Any, retry: Retry, outcomes: Iterator[Any]) -> list[float]:
    """Run an operation without a clock; return the delays between its attempts."""
    steps = execute(operation, MailboxCache("mb_1"), retry)
    delays: list[float] = []
    step = next(steps)
    try:
        while True:
            if isinstance(step, Pause):
                delays.append(step.seconds)
                step = steps.send(None)
                continue
            assert isinstance(step, Request)
            outcome = next(outcomes)
            step = steps.throw(outcome) if isinstance(outcome, Exception) else steps.send(outcome)
    except StopIteration:
        return delays


def respond(status: int, /, body: bytes = b"", **headers: Any) -> Response:
    """Return a response as the client's connections do, with names in lower case."""
    return Response(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, body
    )


OK = respond(200, b'{"emails": []}')


def test_delays_double_up_to_max_delay() -> None:
    faults = iter([TransportError("late")] * 7)
    highest = Retry(max_attempts=8, base_delay=0.5, max_delay=8.0, jitter=lambda: 1.0)
    delays = get_delays(endpoints.check_inbox(), highest, iter([*faults, OK]))
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_jitter_shortens_a_delay_by_up_to_half() -> None:
    call, fault = endpoints.check_inbox(), TransportError("late")
    for chance, expected in ((0.0, 1.0), (0.5, 1.5), (1.0, 2.0)):
        assert (
            Retry(base_delay=2.0, jitter=lambda c=chance: c).delay_after_error(call, fault, 1)
            == expected
        )  # type: ignore[misc]


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [(429, {"retry_after": "7"}, 7.0), (503, {"retry_after": "30"}, 30.0), (429, {}, 0.5)],
)
def test_retry_after_is_the_delay(status: int, headers: dict[str, str], expected: float) -> None:
    busy = respond(status, b"", **headers)
    retry = Retry(jitter=lambda: 1.0)
    assert get_delays(endpoints.check_inbox(), retry, iter([busy, OK])) == [expected]


def test_retry_after_over_the_maximum_is_not_waited_for() -> None:
    busy = respond(429, retry_after="31")
    assert Retry().delay_after_response(endpoints.check_inbox(), busy, 1) is None


@given(
    attempts=st.integers(1, 10_000),
    base_delay=st.floats(0, 100),
    max_delay=st.floats(0, 100),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_delay_is_between_zero_and_max_delay(
    attempts: int, base_delay: float, max_delay: float, jitter: float
) -> None:
    retry = Retry(
        max_attempts=10_001, base_delay=base_delay, max_delay=max_delay, jitter=lambda: jitter
    )
    delay = retry.delay_after_error(endpoints.check_inbox(), TransportError("late"), attempts)
    assert delay is not None
    assert 0 <= delay <= max_delay


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 409, 410, 422, 501])
def test_final_statuses_are_not_repeated(status: int) -> None:
    assert Retry().delay_after_response(endpoints.check_inbox(), respond(status), 1) is None


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
def test_transient_statuses_are_repeated_if_retryable(status: int) -> None:
    response = respond(status)
    assert Retry().delay_after_response(endpoints.check_inbox(), response, 1) is not None
    assert Retry().delay_after_response(endpoints.send_email(**SEND), response, 1) is not None
    assert Retry().delay_after_response(endpoints.add_contact("bob@y.test"), response, 1) is None
    assert Retry().delay_after_response(endpoints.check_inbox(), response, 4) is None


@pytest.mark.parametrize("tries", [0, 1])
def test_max_attempts_of_one_is_no_repeat(tries: int) -> None:
    retry, call = Retry(max_attempts=tries), endpoints.check_inbox()
    assert retry.delay_after_response(call, respond(429), 1) is None
    assert retry.delay_after_error(call, TransportError("no", was_sent=False), 1) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("-5", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Sat, 01 Nov 2025 10:00:00 GMT", 0.0),
        ("Sat, 01 Nov 2025 10:00:00 -0000", 0.0),
    ],
)
def test_parse_retry_after(value: str, seconds: float | None) -> None:
    assert parse_retry_after(respond(429, retry_after=value)) == seconds


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_any_retry_after_is_parsed(value: str) -> None:
    seconds = parse_retry_after(respond(429, retry_after=value))
    assert seconds is None or seconds >= 0


def test_operation_can_catch_errors_of_its_calls() -> None:
    class Twice:
        def __iter__(self) -> Generator[Call[Any] | Pause, Any, Any]:
            try:
                return (yield Call("a", "GET", "/a", dict))
            except NetworkError:
                return (yield Call("b", "GET", "/b", dict))

    steps = execute(Twice(), MailboxCache(), Retry(max_attempts=1))
    assert isinstance(first := next(steps), Request)
    assert first.path == "/a"
    assert isinstance(second := steps.throw(TransportError("late")), Request)
    assert second.path == "/b"
    with pytest.raises(StopIteration) as done:
        steps.send(respond(200, b'{"ok": 1}'))
    assert done.value.value == {"ok": 1}
