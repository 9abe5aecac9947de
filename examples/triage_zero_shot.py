"""Triage by zero-shot classification: each unread message is read, classified and tagged.

No model writes anything here, so nothing can be sent; a tag is all that a message can cause.

pip install "multimail" transformers torch
export MULTIMAIL_API_KEY=mm_test_…      # or run `multimail serve`, which prints the two lines
export MULTIMAIL_API_URL=http://127.0.0.1:8025
python triage_zero_shot.py
"""

import os
from collections.abc import Callable
from typing import Any

from multimail.tools import Toolkit

LABELS = ["billing", "technical-support", "feature-request", "spam", "urgent"]
SURE = 0.6
LONGEST = 2000  # characters; the model reads no more than some 1,000 tokens

Classifier = Callable[[str, list[str]], dict[str, Any]]
"""A text and the labels go in; `labels` and `scores` come out, best first."""


def tag_for(facts: dict[str, Any], classify: Classifier) -> str:
    body = facts.get("body")
    if body is None:  # the guard withholds the text of a forgery
        return "needs-review"
    result = classify(f"{facts['subject']}\n\n{body}"[:LONGEST], LABELS)
    return str(result["labels"][0]) if result["scores"][0] > SURE else "needs-review"


def triage(toolkit: Toolkit, classify: Classifier) -> None:
    inbox = toolkit.call("check_inbox", {"unread_only": True, "direction": "inbound"})
    for row in inbox.data.get("emails", []):
        email = toolkit.call("read_email", {"email_id": row["id"]})
        if not email.ok:
            print(email.text)
            continue
        tag = tag_for(email.data, classify)
        tagged = toolkit.call("tag_email", {"email_id": row["id"], "tags": [tag]})
        print(f"{row['id']}: {tag if tagged.ok else tagged.text}")


if __name__ == "__main__":
    from transformers import pipeline  # pyright: ignore[reportMissingImports]

    name = os.environ.get("CLASSIFIER", "facebook/bart-large-mnli")
    triage(Toolkit(), pipeline("zero-shot-classification", model=name))
