"""AgentDojo's workspace suite with every tool guarded: scripts/bench-injection --tools."""
