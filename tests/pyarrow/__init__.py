"""blobio as a file system of pyarrow, over every kind of store."""
