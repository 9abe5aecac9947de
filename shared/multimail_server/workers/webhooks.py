"""The webhook dispatcher: posts due deliveries, each webhook in its own task.

Delivery is at least once with a stable id: a delivery stays due until its result is committed, so a
crash in between leads to a retry and never to a lost event.
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
from ..auth import Principal
from ..config import WEBHOOK_TIMEOUT
from ..services.context import AppContext
from ..services.webhooks import disable
from ..store.protocol import Reader, Scope, StoreUnavailableError, Tx
from ..store.records import DeliveryStatus, Webhook, WebhookDelivery
from ..webhook_signing import build_signature_headers
from .scheduler import CLAIM_RETRY_SECONDS, LoopBarrier

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_log = logging.getLogger(__name__)

RETRY_DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18000, 36000, 36000)
)
"""The delay after each failed attempt; after the last one the delivery has failed."""

HISTORY = timedelta(days=30)
"""How long completed deliveries are kept."""

_MAX_CONCURRENT = 16
_MAX_DELIVERIES_PER_TASK = 20
_ERROR_DELAY = 5.0
_PURGE_INTERVAL = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _WebhookAttempt:
    """One attempt to post an event."""

    hook: Webhook
    delivery: WebhookDelivery
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Result:
    """The result of an attempt; `error` is None if it was accepted."""

    status: int | None
    error: str | None


class WebhookDispatcher:
    """Posts events to webhooks. `start` it once and `stop` it at the end.

    `context.webhook_wakeup` wakes it.

    Args:
        context: The application context.
        timeout: Seconds for one attempt, from connecting to the response status.
    """

    def __init__(self, context: AppContext, timeout: float = WEBHOOK_TIMEOUT) -> None:
        self._context = context
        self._timeout = timeout
        self._loop = asyncio.new_event_loop()
        self._awake = asyncio.Event()
        self._stopping = False
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._barrier = LoopBarrier()
        self._client: httpx.AsyncClient | None = None
        self._purged_at = context.now() - _PURGE_INTERVAL
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="multimail-webhook-store")
        self._thread = threading.Thread(target=self._run, name="multimail-webhooks", daemon=True)
        context.webhook_wakeup.on_notify(self.wake)
        context.clock.on_change(context.webhook_wakeup.committed)

    def start(self) -> None:
        """Start the thread; it begins with deliveries that an earlier run left."""
        self._thread.start()
        if self._context.store.read(lambda tx: tx.has_webhooks()):
            self._context.webhook_wakeup.notify()

    def stop(self) -> None:
        """Cancel attempts in progress, which are retried after the next start, and stop."""
        if self._thread.is_alive():
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._end)
            self._thread.join()
        self._workers.shutdown()
        self._loop.close()

    def wake(self) -> None:
        """Look for work now; from any thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._awake.set)

    def drain(self, seconds: float) -> bool:
        """Post everything that is due by now; return whether it ended in time."""
        return self._barrier.wait_for_pass(self.wake, seconds)

    def next_due(self) -> datetime | None:
        """Return when the next delivery falls due; None if none waits."""
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
                await self._purge()
                pause = await self._start_deliveries()
            except StoreUnavailableError as error:
                _log.warning("The webhook dispatcher waits for the database: %s", error)
                pause = _ERROR_DELAY
            except Exception:
                _log.exception("The webhook dispatcher failed and continues")
                pause = _ERROR_DELAY
            if not self._tasks:
                self._barrier.end()
            await self._sleep(pause)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    async def _sleep(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._awake.wait()

    async def _start_deliveries(self) -> float | None:
        """Start a task for each webhook with due deliveries; return the seconds until the next."""
        now = self._context.now()

        def load(tx: Reader) -> tuple[list[str], float | None]:
            # Webhooks with a running task are found again, so twice as many are requested.
            due, upcoming = tx.webhooks_due(now, 2 * _MAX_CONCURRENT), tx.next_webhook_due(now)
            return due, None if upcoming is None else self._context.clock.seconds_until(upcoming)

        due, pause = await self._with_store(lambda: self._context.store.read(load))
        for webhook_id in due:
            if webhook_id not in self._tasks and len(self._tasks) < _MAX_CONCURRENT:
                self._tasks[webhook_id] = self._loop.create_task(self._drain_webhook(webhook_id))
        return pause

    async def _drain_webhook(self, webhook_id: str) -> None:
        """Post the due deliveries of one webhook, in order, until an attempt fails."""
        try:
            await self._deliver_claimed(webhook_id)
        except StoreUnavailableError as error:
            _log.warning("A webhook delivery waits for the database: %s", error)
            await asyncio.sleep(_ERROR_DELAY)
        except Exception:
            _log.exception("A webhook delivery failed and is retried")
            await asyncio.sleep(_ERROR_DELAY)
        finally:
            del self._tasks[webhook_id]
            self._awake.set()

    async def _deliver_claimed(self, webhook_id: str) -> None:
        claim = self._context.store.claim(webhook_id)
        claimed = await self._with_store(claim.__enter__)
        try:
            if not claimed:
                await asyncio.sleep(CLAIM_RETRY_SECONDS)
                return
            for _ in range(_MAX_DELIVERIES_PER_TASK):
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
        account_id = attempt.hook.account_id
        # A failure may disable the webhook: then no write may still insert deliveries for it.
        failed = result.error is not None
        scope = Scope.of_account(account_id) if failed else Scope.of_part(account_id, webhook_id)
        await self._with_store(lambda: write(lambda tx: self._settle(tx, attempt, result), scope))
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

        from .webhook_transport import TargetRefusedError, WebhookTransport

        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=self._timeout,
                follow_redirects=False,
                transport=WebhookTransport(self._context.webhook_targets),
            )
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream(
                    "POST", attempt.hook.url, content=attempt.body, headers=self._headers(attempt)
                ) as response,
            ):
                return _build_result(response.status_code)
        except TimeoutError:
            return _Result(None, f"it did not respond within {self._timeout:g} seconds")
        except TargetRefusedError as error:
            return _Result(None, str(error))
        except Exception as error:
            # An exception's message can hold the URL, and the URL a password.
            return _Result(None, f"it could not be reached ({type(error).__name__})")

    def _headers(self, attempt: _WebhookAttempt) -> dict[str, str]:
        hook, delivery = attempt.hook, attempt.delivery
        return {
            "Content-Type": "application/json",
            "User-Agent": f"multimail-embedded/{version()}",
            **build_signature_headers(
                hook.signing_secret,
                hook.signature_format,
                delivery.id,
                self._context.now(),
                attempt.body,
            ),
        }

    def _settle(self, tx: Tx, attempt: _WebhookAttempt, result: _Result) -> None:
        """Commit the result of an attempt, unless the delivery was changed by another process."""
        now = self._context.now()
        hook, delivery = tx.webhook(attempt.hook.id), tx.webhook_delivery(attempt.delivery.id)
        if hook is None or delivery is None or delivery != attempt.delivery:
            return
        attempted = replace(
            delivery,
            attempts=delivery.attempts + 1,
            last_attempt_at=now,
            response_status=result.status,
            error=result.error,
        )
        if result.error is None:
            delivered = replace(
                attempted, status=DeliveryStatus.DELIVERED, due_at=None, delivered_at=now
            )
            tx.put(delivered)
            tx.put(replace(hook, last_success_at=now))
        else:
            self._settle_failure(tx, hook, attempted, result)

    def _settle_failure(
        self, tx: Tx, hook: Webhook, attempted: WebhookDelivery, result: _Result
    ) -> None:
        if attempted.attempts <= len(RETRY_DELAYS) and result.status != _GONE:
            due = self._context.now() + RETRY_DELAYS[attempted.attempts - 1]
            tx.put(replace(attempted, due_at=due))
            return
        tx.put(replace(attempted, status=DeliveryStatus.FAILED, due_at=None))
        if result.status == _GONE:
            reason = "the endpoint responded 410 Gone"
        elif hook.last_success_at is None or hook.last_success_at < attempted.created_at:
            reason = f"{attempted.attempts} attempts failed in a row; the last one: {result.error}"
        else:
            return
        disable(self._context, tx, Principal.system(hook.account_id), hook, reason)

    async def _purge(self) -> None:
        now = self._context.now()
        if now - self._purged_at < _PURGE_INTERVAL:
            return
        self._purged_at = now
        write = self._context.store.write
        await self._with_store(lambda: write(lambda tx: tx.purge_webhook_deliveries(now - HISTORY)))


_GONE = 410


def _build_result(status: int) -> _Result:
    if 200 <= status < 300:
        return _Result(status, None)
    if 300 <= status < 400:
        return _Result(status, f"it responded {status}; redirects aren't followed")
    return _Result(status, f"it responded {status}")
