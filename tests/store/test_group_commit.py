"""Group commit: closing while transactions wait."""

from __future__ import annotations

import threading
from time import monotonic

import pytest

from multimail_server.store.group_commit import MAX_BATCH, GroupCommit, Job
from multimail_server.store.protocol import StoreUnavailableError

TIMEOUT = 20.0


def test_closing_settles_the_batch_in_flight_and_the_queued_jobs() -> None:
    in_flight, release = threading.Event(), threading.Event()
    batches: list[int] = []

    def commit(batch: list[Job]) -> None:
        if not batches:
            in_flight.set()
            assert release.wait(TIMEOUT)
        batches.append(len(batch))
        for job in batch:
            job.settle(batches[-1], None)

    group = GroupCommit(commit)
    first, *queued = jobs = [Job(lambda _: None) for _ in range(MAX_BATCH + 7)]
    group.jobs.put(first)
    assert in_flight.wait(TIMEOUT)
    for job in queued:
        group.jobs.put(job)
    closing = threading.Thread(target=group.close, daemon=True)
    closing.start()
    end = monotonic() + TIMEOUT
    while group.jobs.qsize() <= len(queued) and monotonic() < end:
        assert closing.is_alive()
    release.set()
    closing.join(TIMEOUT)
    assert not closing.is_alive()
    assert batches == [1, MAX_BATCH, 6]
    assert [job.wait() for job in jobs] == [1, *[MAX_BATCH] * MAX_BATCH, *[6] * 6]
    with pytest.raises(StoreUnavailableError):
        group.write(lambda _: None)
