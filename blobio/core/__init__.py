"""What blobio does with any driver: read, write, list, glob, copy, remove. Knows no cloud, no HTTP."""
