"""What the embedded server costs: its start, its memory, a page of the inbox, a durable send."""
