"""A public kit for testing drivers and programs: emulators, conformance suite, fault injection."""
