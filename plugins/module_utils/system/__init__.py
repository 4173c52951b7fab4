"""Files and units of a host, in one step."""
