"""Section `hardening` in comparisons: rules in force, and waivers."""

ORDER, SHORT = 205, "hrd"
