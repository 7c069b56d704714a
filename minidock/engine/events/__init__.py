"""Events: written as things happen, read by `events`."""
