"""The logs of containers: written by a log driver, read by `logs`."""
