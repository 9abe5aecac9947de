"""Mail on the wire: reading, composing, authenticating and receiving RFC 5322 messages."""
