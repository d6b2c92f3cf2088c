"""One module for each library that is measured; each uses it as its own documentation tells to."""
