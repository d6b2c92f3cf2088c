"""One module a command, named like it: `configure` adds its options, `run` does it."""
