"""The networks that always exist, by docker's names: a module without imports, as every command needs the names."""

BRIDGE, HOST, NONE = "bridge", "host", "none"
DEFAULT = BRIDGE  # which containers are on unless they ask for another
DRIVERS = {BRIDGE: "bridge", HOST: "host", NONE: "null"}
