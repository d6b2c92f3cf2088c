"""blobio beside its peers, in one run, on one server of this machine: `python -m benchmarks`."""
