"""Worker threads: outbox, webhooks, periodic jobs."""
