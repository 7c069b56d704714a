"""The runtime's own command line, runc's, for other engines: a thin room over `runtime/` (book 1.3.4, chapter 6)."""
