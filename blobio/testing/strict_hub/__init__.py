"""A strict Hugging Face Hub in this process: fast, exact, and broken on command.

::

    with strict_hub() as server:
        repo = server.make_dataset("org/name")
        repo.commit({"data/train-00000-of-00001.parquet": data}, lfs=True)
        context = Context(server.config())
        context.read_bytes("hf://datasets/org/name/data/train-00000-of-00001.parquet")

It listens on two real loopback ports: that of the Hub, and that of the network which delivers large
files and refuses a request with an `Authorization`. Repositories are held in memory, every commit
of them: info, refs, trees in pages, `paths-info`, `resolve`, and the `/parquet` of the viewer.
Repositories may be private, gated, disabled or renamed, branches move with each commit, links to
large files expire on command. Before each request it asks its hook for a `Fault`; see
`blobio.testing.strict`.

Not modelled: models, spaces and buckets, writing, the Xet protocol (its headers are sent).
"""

from __future__ import annotations

from blobio.testing.strict.faults import Fault, FaultHook, RequestHead, Strike
from blobio.testing.strict_hub.server import StrictHub, strict_hub
from blobio.testing.strict_hub.store import HubFile, HubRepo, HubViewer

__all__ = [
    "Fault",
    "FaultHook",
    "HubFile",
    "HubRepo",
    "HubViewer",
    "RequestHead",
    "StrictHub",
    "Strike",
    "strict_hub",
]
