"""Where a connected mailbox's mail comes from and leaves by: the provider's IMAP and submission."""
