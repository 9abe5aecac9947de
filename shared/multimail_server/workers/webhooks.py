"""The webhook courier: one thread that posts what is due, each subscription in its own turn.

Delivery is at least once with a stable id: a delivery stays due until its result is committed, so
that a crash in between leads to another try and never to a lost event.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from .._version import version
from ..config import WEBHOOK_TIMEOUT
from ..services.context import AppContext, Principal
from ..services.webhooks import disable
from ..store.protocol import Reader, StoreUnavailableError, Tx
from ..store.records import DeliveryStatus, Webhook, WebhookDelivery
from ..webhook_signing import signed_headers
from .scheduler import CLAIMED_SECONDS, LoopBarrier

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_log = logging.getLogger(__name__)

RETRY_AFTER = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18000, 36000, 36000)
)
"""How long after each failed try the next one comes; after the last one the delivery has failed."""

HISTORY = timedelta(days=30)
"""How long a delivery that is over stays in the history."""

_AT_ONCE = 16
_TURN = 20
_AFTER_TROUBLE_SECONDS = 5.0
_HOUSEKEEPING = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _WebhookAttempt:
    """What one try posts."""

    hook: Webhook
    delivery: WebhookDelivery
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Result:
    """What one try came to: `error` is None where it was accepted."""

    status: int | None
    error: str | None


class WebhookDispatcher:
    """Posts events. `start` it once, `stop` it at the end; the desk's bell wakes it.

    Args:
        context: The application's context.
        timeout: Seconds for one try, from the connection to the answer's status.
    """

    def __init__(self, context: AppContext, timeout: float = WEBHOOK_TIMEOUT) -> None:
        self._context = context
        self._timeout = timeout
        self._loop = asyncio.new_event_loop()
        self._awake = asyncio.Event()
        self._stopping = False
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._barrier = LoopBarrier()
        self._client: httpx.AsyncClient | None = None
        self._tidied = context.now() - _HOUSEKEEPING
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="multimail-webhook-store")
        self._thread = threading.Thread(target=self._run, name="multimail-webhooks", daemon=True)
        context.webhook_wakeup.on_notify(self.wake)
        context.clock.on_change(context.webhook_wakeup.committed)

    def start(self) -> None:
        """Begin, with what an earlier run left behind."""
        self._thread.start()
        if self._context.store.read(lambda tx: tx.has_webhooks()):
            self._context.webhook_wakeup.notify()

    def stop(self) -> None:
        """Break off what is under way, which is delivered after the next start, and end."""
        if self._thread.is_alive():
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._end)
            self._thread.join()
        self._workers.shutdown()
        self._loop.close()

    def wake(self) -> None:
        """Look for work now; from any thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._awake.set)

    def settle(self, seconds: float) -> bool:
        """Post all that is due by now; return whether that came to its end in time."""
        return self._barrier.wait_for_pass(self.wake, seconds)

    def next_due(self) -> datetime | None:
        """Return when a delivery falls due that waits now; None when none waits."""
        begin = datetime.min.replace(tzinfo=UTC)
        return self._context.store.read(lambda tx: tx.next_webhook_due(begin))

    def _end(self) -> None:
        self._stopping = True
        self._awake.set()

    def _run(self) -> None:
        self._loop.run_until_complete(self._work())

    async def _work(self) -> None:
        await self._awake.wait()
        while not self._stopping:
            self._awake.clear()
            self._barrier.begin()
            try:
                await self._tidy()
                pause = await self._begin_turns()
            except StoreUnavailableError as error:
                _log.warning("The webhooks wait for the database: %s", error)
                pause = _AFTER_TROUBLE_SECONDS
            except Exception:
                _log.exception("The webhooks met an error and go on")
                pause = _AFTER_TROUBLE_SECONDS
            if not self._turns:
                self._barrier.end()
            await self._sleep(pause)
        for turn in self._turns.values():
            turn.cancel()
        await asyncio.gather(*self._turns.values(), return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _sleep(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._awake.wait()

    async def _begin_turns(self) -> float | None:
        """Give each subscription with something due its turn; return the seconds until more."""
        now = self._context.now()

        def look(tx: Reader) -> tuple[list[str], float | None]:
            # Those whose turn it is are found again, so as many more are asked for.
            due, upcoming = tx.webhooks_due(now, 2 * _AT_ONCE), tx.next_webhook_due(now)
            return due, None if upcoming is None else self._context.clock.seconds_until(upcoming)

        due, pause = await self._with_store(lambda: self._context.store.read(look))
        for webhook_id in due:
            if webhook_id not in self._turns and len(self._turns) < _AT_ONCE:
                self._turns[webhook_id] = self._loop.create_task(self._turn(webhook_id))
        return pause

    async def _turn(self, webhook_id: str) -> None:
        """Post what is due for one subscription, in order, until a try fails."""
        try:
            await self._deliver_alone(webhook_id)
        except StoreUnavailableError as error:
            _log.warning("A webhook waits for the database: %s", error)
            await asyncio.sleep(_AFTER_TROUBLE_SECONDS)
        except Exception:
            _log.exception("A webhook met an error and is tried again")
            await asyncio.sleep(_AFTER_TROUBLE_SECONDS)
        finally:
            del self._turns[webhook_id]
            self._awake.set()

    async def _deliver_alone(self, webhook_id: str) -> None:
        claim = self._context.store.claim(webhook_id)
        ours = await self._with_store(claim.__enter__)
        try:
            if not ours:
                await asyncio.sleep(CLAIMED_SECONDS)
                return
            for _ in range(_TURN):
                if not await self._deliver_next(webhook_id):
                    break
        finally:
            await self._with_store(partial(claim.__exit__, None, None, None))

    async def _deliver_next(self, webhook_id: str) -> bool:
        read, write = self._context.store.read, self._context.write
        attempt = await self._with_store(lambda: read(lambda tx: self._begin(tx, webhook_id)))
        if attempt is None:
            return False
        result = await self._post(attempt)
        await self._with_store(lambda: write(lambda tx: self._settle(tx, attempt, result)))
        return result.error is None

    async def _with_store(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._workers, work)

    def _begin(self, tx: Reader, webhook_id: str) -> _WebhookAttempt | None:
        hook = tx.webhook(webhook_id)
        delivery = tx.next_webhook_delivery(webhook_id, self._context.now())
        if hook is None or delivery is None:
            return None
        return _WebhookAttempt(hook, delivery, tx.webhook_body(delivery.id) or b"")

    async def _post(self, attempt: _WebhookAttempt) -> _Result:
        import httpx

        if self._client is None:
            # Plain http is for this machine alone, and no proxy of the environment leads there.
            self._client = httpx.AsyncClient(
                timeout=self._timeout, follow_redirects=False, mounts={"http://": None}
            )
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream(
                    "POST", attempt.hook.url, content=attempt.body, headers=self._headers(attempt)
                ) as answer,
            ):
                return _judged(answer.status_code)
        except TimeoutError:
            return _Result(None, f"it did not answer within {self._timeout:g} seconds")
        except Exception as error:
            # The words of an exception can hold the URL, and the URL a password.
            return _Result(None, f"it could not be reached ({type(error).__name__})")

    def _headers(self, attempt: _WebhookAttempt) -> dict[str, str]:
        hook, delivery = attempt.hook, attempt.delivery
        return {
            "Content-Type": "application/json",
            "User-Agent": f"multimail-embedded/{version()}",
            **signed_headers(
                hook.signing_secret,
                hook.signature_format,
                delivery.id,
                self._context.now(),
                attempt.body,
            ),
        }

    def _settle(self, tx: Tx, attempt: _WebhookAttempt, result: _Result) -> None:
        """Commit the outcome of one try; one that was overtaken meanwhile changes nothing."""
        now = self._context.now()
        hook, delivery = tx.webhook(attempt.hook.id), tx.webhook_delivery(attempt.delivery.id)
        if hook is None or delivery is None or delivery != attempt.delivery:
            return
        tried = replace(
            delivery,
            attempts=delivery.attempts + 1,
            last_attempt_at=now,
            response_status=result.status,
            error=result.error,
        )
        if result.error is None:
            done = replace(tried, status=DeliveryStatus.DELIVERED, due_at=None, delivered_at=now)
            tx.put_webhook_delivery(done)
            tx.put_webhook(replace(hook, last_success_at=now))
        else:
            self._settle_failure(tx, hook, tried, result)

    def _settle_failure(
        self, tx: Tx, hook: Webhook, tried: WebhookDelivery, result: _Result
    ) -> None:
        if tried.attempts <= len(RETRY_AFTER) and result.status != _GONE:
            due = self._context.now() + RETRY_AFTER[tried.attempts - 1]
            tx.put_webhook_delivery(replace(tried, due_at=due))
            return
        tx.put_webhook_delivery(replace(tried, status=DeliveryStatus.FAILED, due_at=None))
        if result.status == _GONE:
            reason = "the endpoint answered 410 Gone"
        elif hook.last_success_at is None or hook.last_success_at < tried.created_at:
            reason = f"{tried.attempts} tries failed in a row; at the last, {result.error}"
        else:
            return
        disable(self._context, tx, Principal.system(hook.account_id), hook, reason)

    async def _tidy(self) -> None:
        now = self._context.now()
        if now - self._tidied < _HOUSEKEEPING:
            return
        self._tidied = now
        write = self._context.store.write
        await self._with_store(lambda: write(lambda tx: tx.purge_webhook_deliveries(now - HISTORY)))


_GONE = 410


def _judged(status: int) -> _Result:
    if 200 <= status < 300:
        return _Result(status, None)
    if 300 <= status < 400:
        return _Result(status, f"it answered {status}, a redirect, which is not followed")
    return _Result(status, f"it answered {status}")
