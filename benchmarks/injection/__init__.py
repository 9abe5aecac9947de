"""Prompt injection, measured: an agent that obeys every injected instruction, and what leaves."""
