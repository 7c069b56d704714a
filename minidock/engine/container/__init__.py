"""Containers: created, started, stopped, killed, paused, renamed, updated, removed; their records on disk."""
