"""What blobio does with any driver: read, write, list, copy, remove. Knows no cloud, no HTTP."""
