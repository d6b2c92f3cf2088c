"""Tests of the `blobio` command."""
