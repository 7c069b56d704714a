"""`minidock course ...`: the course in which students write a small container runtime (`minidock/course/`)."""
