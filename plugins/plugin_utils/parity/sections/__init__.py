"""One file a section: its place, its mark, which differences in it are explained, and what mends the others."""
