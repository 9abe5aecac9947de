"""Triage by zero-shot classification: reads, classifies and tags each unread message.

No model writes text here, so nothing can be sent; the only effect of a message is a tag.

pip install "." transformers torch
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints both lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
python examples/triage_zero_shot.py
"""

import os
from collections.abc import Callable
from typing import Any

from multimail.tools import Toolkit

LABELS = ["billing", "technical-support", "feature-request", "spam", "urgent"]
MIN_SCORE = 0.6
MAX_LENGTH = 2000  # characters; the model reads about 1,000 tokens

Classifier = Callable[[str, list[str]], dict[str, Any]]
"""Takes a text and the labels; returns `labels` and `scores`, best first."""


def choose_tag(email: dict[str, Any], classify: Classifier) -> str:
    body = email.get("body")
    if body is None:  # the guard withholds the text of forged mail
        return "needs-review"
    result = classify(f"{email['subject']}\n\n{body}"[:MAX_LENGTH], LABELS)
    return str(result["labels"][0]) if result["scores"][0] > MIN_SCORE else "needs-review"


def triage(toolkit: Toolkit, classify: Classifier) -> None:
    inbox = toolkit.call("check_inbox", {"unread_only": True, "direction": "inbound"})
    for row in inbox.data.get("emails", []):
        email = toolkit.call("read_email", {"email_id": row["id"]})
        if not email.ok:
            print(email.text)
            continue
        tag = choose_tag(email.data, classify)
        result = toolkit.call("tag_email", {"email_id": row["id"], "tags": [tag]})
        print(f"{row['id']}: {tag if result.ok else result.text}")


if __name__ == "__main__":
    from transformers import pipeline  # pyright: ignore[reportMissingImports]

    name = os.environ.get("CLASSIFIER", "facebook/bart-large-mnli")
    triage(Toolkit(), pipeline("zero-shot-classification", model=name))
