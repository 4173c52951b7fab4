# Lists a Makefile's targets by their `##` texts, in groups by its `##@` lines.
BEGIN { FS = ":.*## " }
/^##@ / { printf "\n%s\n", substr($0, 5) }
/^[a-z][a-z-]*:.*## / { printf "  %-16s %s\n", $1, $2 }
END { print "" }
