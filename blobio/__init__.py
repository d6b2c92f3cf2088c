"""One file API over object stores, HTTP and local disk."""
