"""The programs that people use, each making a real round trip through blobio: `tox -e clients`."""
