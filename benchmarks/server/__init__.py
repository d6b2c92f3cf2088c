"""The servers that answer the libraries: they must not be the bottleneck."""
