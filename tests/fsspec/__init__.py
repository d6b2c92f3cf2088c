"""blobio behind fsspec: its own abstract suites, and what they leave out."""
