"""One send is one email, whatever the network does; a doubtful write is not repeated."""

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
    Fault,
    Post,
    answer,
    build_body,
    cut_after_work,
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
from multimail import endpoints as api_of
from multimail._call import parse_retry_after
from multimail._execution import Request, execute
from multimail._mailbox_cache import MailboxCache

AMBIGUOUS = [reset_after_work, cut_after_work, timeout_after_work, unavailable_after_work]
HARMLESS = [refused, limited("0")]
SEND: dict[str, Any] = {"to": "bob@y.test", "subject": "S", "body": "B"}


def name(value: Any) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize("fault", [*AMBIGUOUS, *HARMLESS], ids=name)
async def test_a_send_that_meets_a_fault_is_one_email(connect: Connect, fault: Fault) -> None:
    post = Post()
    post.faults.append(fault)
    result = await connect(post).send_email(**SEND)
    assert list(post.emails) == ["msg_1"]
    assert result.id == "msg_1"
    assert result.duplicate is (fault in AMBIGUOUS)
    sends = [one for one in post.requests if one.url.path.endswith("/send")]
    assert len(sends) == 2
    assert len({build_body(one)["idempotency_key"] for one in sends}) == 1


@pytest.mark.parametrize("fault", [*AMBIGUOUS, *HARMLESS], ids=name)
async def test_a_reply_that_meets_a_fault_is_one_email(connect: Connect, fault: Fault) -> None:
    post = Post()
    post.hold("em_1", "mb_1")
    post.faults.append(fault)
    await connect(post).reply_email("em_1", "Yes")
    assert list(post.emails) == ["em_1", "msg_2"]


async def test_a_send_survives_three_faults_of_different_kinds(connect: Connect) -> None:
    post = Post()
    post.faults.extend([timeout_after_work, refused, unavailable_after_work])
    assert (await connect(post).send_email(**SEND)).duplicate
    assert len(post.emails) == 1


async def test_two_sends_of_the_same_words_are_two_emails(connect: Connect) -> None:
    post = Post()
    api = connect(post)
    await api.send_email(**SEND)
    await api.send_email(**SEND)
    assert len(post.emails) == 2


@pytest.mark.parametrize("fault", AMBIGUOUS, ids=name)
async def test_a_send_without_an_answer_hands_over_the_key_that_makes_a_repeat_safe(
    connect: Connect, fault: Fault
) -> None:
    post = Post()
    post.faults.extend([fault] * 4)
    api = connect(post)
    with pytest.raises(OutcomeUnknownError) as caught:
        await api.send_email(**SEND)
    error = caught.value
    assert (error.operation, error.idempotency_key) == ("send_email", next(iter(post.accepted)))
    assert "may have been carried out" in str(error)
    assert not isinstance(error, ServerError)
    again = await api.send_email(**SEND, idempotency_key=error.idempotency_key)
    assert again.duplicate
    assert len(post.emails) == 1


@pytest.mark.parametrize("last", [refused, limited("1")], ids=["refused", "limited"])
@pytest.mark.parametrize("first", AMBIGUOUS, ids=name)
async def test_a_last_harmless_fault_does_not_make_an_earlier_one_harmless(
    connect: Connect, first: Fault, last: Fault
) -> None:
    post = Post()
    post.faults.extend([first, last, last, last])
    with pytest.raises(OutcomeUnknownError) as caught:
        await connect(post).send_email(**SEND)
    assert caught.value.idempotency_key == next(iter(post.accepted))


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("decide_email", {"message_id": "em_1", "action": "approve"}),
        ("create_api_key", {"name": "ci"}),
        ("add_contact", {"email": "bob@y.test"}),
    ],
)
@pytest.mark.parametrize("fault", AMBIGUOUS, ids=name)
async def test_a_write_without_a_key_is_not_repeated_after_an_ambiguous_fault(
    connect: Connect, verb: str, args: dict[str, Any], fault: Fault
) -> None:
    post = Post()
    post.faults.append(fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        await getattr(connect(post), verb)(**args)
    assert (caught.value.operation, caught.value.idempotency_key) == (verb, None)
    assert len(post.requests) == len(post.done) == 1


@pytest.mark.parametrize("fault", HARMLESS, ids=name)
async def test_a_write_that_never_left_is_repeated(connect: Connect, fault: Fault) -> None:
    post = Post()
    post.faults.append(fault)
    await connect(post).decide_email("em_1", "approve")
    assert post.done == ["/v1/oversight/decide"]
    assert len(post.requests) == 2


async def test_an_api_that_nobody_reaches_did_nothing(connect: Connect) -> None:
    post = Post()
    post.faults.extend([refused] * 4)
    with pytest.raises(NetworkError) as caught:
        await connect(post).send_email(**SEND)
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert "ConnectError after 4 tries" in str(caught.value)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)
    assert not post.emails


@pytest.mark.parametrize("fault", [*AMBIGUOUS, *HARMLESS], ids=name)
async def test_a_read_is_repeated_after_any_fault(connect: Connect, fault: Fault) -> None:
    post = Post()
    post.hold("em_1", "mb_1")
    post.faults.extend([fault] * 3)
    assert (await connect(post).read_email("em_1")).id == "em_1"


async def test_a_read_that_never_succeeds_claims_no_unknown_outcome(connect: Connect) -> None:
    post = Post()
    post.faults.extend([unavailable_after_work] * 4)
    with pytest.raises(ServerError, match=r"upstream gone \(503\)"):
        await connect(post).check_inbox()
    post.faults.extend([timeout_after_work] * 4)
    with pytest.raises(NetworkError) as caught:
        await connect(post).check_inbox()
    assert type(caught.value) is NetworkError


async def test_a_refusal_is_not_repeated(connect: Connect) -> None:
    post = Post()
    post.faults.append(lambda request, serve: answer({"error": "Same content", "code": "dup"}, 409))
    with pytest.raises(ConflictError) as caught:
        await connect(post).send_email(**SEND)
    assert (caught.value.code, caught.value.status_code) == ("dup", 409)
    assert len(post.requests) == 2


@pytest.mark.parametrize("wait", ["1", "3"])
async def test_a_wait_beyond_the_ceiling_is_raised_with_its_length(
    connect: Connect, wait: str
) -> None:
    post = Post()
    post.faults.append(limited(wait))
    with pytest.raises(RateLimitError) as caught:
        await connect(post).send_email(**SEND)
    assert caught.value.retry_after == float(wait)
    assert not post.emails


async def test_a_date_beyond_the_ceiling_is_raised_with_its_distance(connect: Connect) -> None:
    post = Post()
    post.faults.append(
        limited(format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True))
    )
    with pytest.raises(RateLimitError) as caught:
        await connect(post).check_inbox()
    assert caught.value.retry_after == pytest.approx(3, abs=1.5)


async def test_a_date_that_has_passed_is_no_wait(connect: Connect) -> None:
    post = Post()
    post.faults.append(limited("Sat, 01 Nov 2025 10:00:00 GMT"))
    await connect(post).check_inbox()


def exchange(operation: Any, retry: Retry, outcomes: Iterator[Any]) -> list[float]:
    """Run an operation by hand, without a clock; return the waits that it asked for."""
    steps = execute(operation, MailboxCache("mb_1"), retry)
    waits: list[float] = []
    step = next(steps)
    try:
        while True:
            if isinstance(step, Pause):
                waits.append(step.seconds)
                step = steps.send(None)
                continue
            assert isinstance(step, Request)
            outcome = next(outcomes)
            step = steps.throw(outcome) if isinstance(outcome, Exception) else steps.send(outcome)
    except StopIteration:
        return waits


OK = answer({"emails": []})


def test_waits_double_from_half_a_second_up_to_the_cap() -> None:
    faults = iter([httpx.ReadTimeout("late")] * 7)
    highest = Retry(max_attempts=8, base_delay=0.5, max_delay=8.0, jitter=lambda: 1.0)
    waits = exchange(api_of.check_inbox(), highest, iter([*faults, OK]))
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_jitter_takes_up_to_half_of_a_wait() -> None:
    call, fault = api_of.check_inbox(), httpx.ReadTimeout("late")
    for chance, expected in ((0.0, 1.0), (0.5, 1.5), (1.0, 2.0)):
        assert (
            Retry(base_delay=2.0, jitter=lambda c=chance: c).delay_after_error(call, fault, 1)
            == expected
        )  # type: ignore[misc]


def test_a_wait_that_the_api_asks_for_is_kept_as_it_is() -> None:
    asked = httpx.Response(429, headers={"Retry-After": "7"})
    assert exchange(api_of.check_inbox(), Retry(), iter([asked, OK])) == [7.0]
    busy = httpx.Response(503, headers={"Retry-After": "30"})
    assert exchange(api_of.check_inbox(), Retry(), iter([busy, OK])) == [30.0]


def test_a_wait_of_more_than_half_a_minute_is_not_kept() -> None:
    asked = httpx.Response(429, headers={"Retry-After": "31"})
    assert Retry().delay_after_response(api_of.check_inbox(), asked, 1) is None


def test_an_api_that_names_no_wait_gets_ours() -> None:
    asked = httpx.Response(429)
    assert exchange(api_of.check_inbox(), Retry(jitter=lambda: 1.0), iter([asked, OK])) == [0.5]


@given(
    tried=st.integers(1, 10_000),
    base=st.floats(0, 100),
    cap=st.floats(0, 100),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_negative_or_longer_than_the_cap(
    tried: int, base: float, cap: float, chance: float
) -> None:
    retry = Retry(max_attempts=10_001, base_delay=base, max_delay=cap, jitter=lambda: chance)
    wait = retry.delay_after_error(api_of.check_inbox(), httpx.ReadTimeout("late"), tried)
    assert wait is not None
    assert 0 <= wait <= cap


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 409, 410, 422, 501])
def test_an_answer_that_a_repeat_cannot_change_is_taken(status: int) -> None:
    assert Retry().delay_after_response(api_of.check_inbox(), httpx.Response(status), 1) is None


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
def test_a_passing_failure_is_repeated_where_that_does_no_harm(status: int) -> None:
    response = httpx.Response(status)
    assert Retry().delay_after_response(api_of.check_inbox(), response, 1) is not None
    assert Retry().delay_after_response(api_of.send_email(**SEND), response, 1) is not None
    assert Retry().delay_after_response(api_of.add_contact("bob@y.test"), response, 1) is None
    assert Retry().delay_after_response(api_of.check_inbox(), response, 4) is None


@pytest.mark.parametrize("tries", [0, 1])
def test_one_try_is_one_try(tries: int) -> None:
    retry, call = Retry(max_attempts=tries), api_of.check_inbox()
    assert retry.delay_after_response(call, httpx.Response(429), 1) is None
    assert retry.delay_after_error(call, httpx.ConnectError("no"), 1) is None


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
def test_retry_after_is_seconds_or_a_date_and_anything_else_is_nothing(
    value: str, seconds: float | None
) -> None:
    assert parse_retry_after(httpx.Response(429, headers={"retry-after": value})) == seconds


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_no_retry_after_breaks_the_client(value: str) -> None:
    seconds = parse_retry_after(httpx.Response(429, headers={"retry-after": value}))
    assert seconds is None or seconds >= 0


def test_an_operation_may_catch_the_error_of_one_of_its_calls() -> None:
    class Twice:
        def __iter__(self) -> Generator[Call[Any] | Pause, Any, Any]:
            try:
                return (yield Call("a", "GET", "/a", dict))
            except NetworkError:
                return (yield Call("b", "GET", "/b", dict))

    steps = execute(Twice(), MailboxCache(), Retry(max_attempts=1))
    assert isinstance(first := next(steps), Request)
    assert first.path == "/a"
    assert isinstance(second := steps.throw(httpx.ReadTimeout("late")), Request)
    assert second.path == "/b"
    with pytest.raises(StopIteration) as done:
        steps.send(answer({"ok": 1}))
    assert done.value.value == {"ok": 1}
