"""HTTP as one verb: requests, retries, signing, limits. Knows no cloud."""
