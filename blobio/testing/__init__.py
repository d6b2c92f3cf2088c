"""A public kit for testing drivers and programs. Import what you need from its modules.

* `conformance`: the cases every driver must pass.
* `emulators`: real S3 and HTTP servers on loopback, in processes of their own.
* `faultproxy`: stands between a client and a server and breaks replies by rules.
* `strict_s3`: an S3 server in this process, in memory, strict and broken on command.
* `scripted`: a small HTTP server that answers what a test tells it to.
* `faults`: hooks around a driver that fail, hold or count its calls.
"""
