"""One file a section of the manifest."""
