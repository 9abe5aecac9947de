"""Fixtures of the guards' corpus: all of it is received once, by servers that live to the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conformance.conftest import crew_storage  # noqa: F401
from tests.guards import corpus
from tests.guards.corpus_runner import CorpusRunner, run_corpus
from tests.tools.conftest import bare_environment  # noqa: F401


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory, crew_storage: None) -> Iterator[CorpusRunner]:  # noqa: F811
    """Every case, received."""
    with run_corpus(corpus.every(), tmp_path_factory.mktemp("corpus")) as corpus_runner:
        yield corpus_runner
