"""The sync API over the async core: one loop thread, files, and a mirror of the context."""
