"""File systems of fsspec beside one another, each under the same programs: see `__main__`."""
