"""Ordinary jobs, and orders in mail that an agent obeys: who has to be asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from benchmarks.injection.jobs import ATTACKS, FREE, JOBS, Job, JobBench


@pytest.fixture(scope="module")
def bench() -> Iterator[JobBench]:
    with JobBench() as bench:
        yield bench


@pytest.mark.parametrize("job", [*JOBS, *ATTACKS], ids=lambda job: job.name)
def test_a_human_is_asked_exactly_where_a_sensible_person_wants_it(
    bench: JobBench, job: Job
) -> None:
    assert (bench.run(job) is FREE) is (job.wanted is FREE)


def test_the_table_is_wide() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS) >= 60
    assert len({job.name for job in ATTACKS}) == len(ATTACKS) >= 55
