"""The security checklist of the project, row by row, with canary secrets and real sockets.

Each test names in its docstring the row of the checklist it is about:

 1 redirects of object stores          15 decompression bombs
 2 redirects and credentials           16 header and URL injection
 5 secrets in reprs, logs, errors      17 host confusion
 6 tokens on disk                      18 signed URLs
 7 pickle                              19 the cache
 9 XML                                 20 races between users and processes
10 where requests may go               23 globs
11 the container's credential URI      24 floors of dependencies
13 TLS                                 25 what an import does
14 netrc and proxies                   26 memory
                                       27 anonymous requests
                                       28 error bodies

Rows that have nothing to test yet, and what they wait for:

 3, 4   names and links in recursive downloads: the command line, which is the first to write many
        files below one directory. A single copy writes the one path its caller named.
 8      Arrow and index files as input: the data sets.
 12     Google's external accounts: the driver for Google Cloud Storage.
 21     multipart bodies and batches with a boundary: the batch requests of Google and Azure. No
        request to S3 or HTTP has one.
 22     the command line.

Of row 24, `pip-audit` is left out: it asks a vulnerability service on the internet, which a test
run has not got. `bandit`'s rules run with every `ruff check`, as its group S.
"""
