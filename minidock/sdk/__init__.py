"""minidock for Python programs: `import minidock; minidock.run("alpine", ["echo", "hello"])` (docs/python.md)."""
