"""Datasets: blobio's rows beside those of others, at one S3 server with a latency."""
