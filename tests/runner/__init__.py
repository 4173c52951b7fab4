"""How the tests are run: parts, what they count, what they print."""
