"""Programs that spread work over processes and machines: `tox -e engines`."""
