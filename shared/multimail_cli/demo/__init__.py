"""The demo: its command, its agent, its mail, and the scripted model that replaces a real one."""
