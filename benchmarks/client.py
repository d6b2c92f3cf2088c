"""Jobs of one library in a process of its own: `python -m benchmarks.client JSON...`.

Each JSON has the fields of `Task`; one line of JSON with the fields of `Reading` comes back for it.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict, dataclass
from typing import final

from benchmarks.jobs import JOBS
from benchmarks.meter import Reading, measure
from benchmarks.peers.base import Peer, Place
from benchmarks.scale import Scale
from benchmarks.tally import Tally

__all__ = ["Task", "run"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the process is told.

    Attributes:
        peer: Name of the library's module in `benchmarks.peers`.
        job: Name of the job.
        place: Where the objects are.
        scale: Sizes.
        check: Look at every byte; the figures are then worth nothing.
    """

    peer: str
    job: str
    place: Place
    scale: Scale
    check: bool

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        place, scale = Place(**fields.pop("place")), Scale(**fields.pop("scale"))
        return cls(place=place, scale=scale, **fields)

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))


def run(task: Task) -> Reading:
    """Do the job and tell what it cost.

    Raises:
        Wrong: The library did something else.
    """
    job = JOBS[task.job]
    peer: Peer = importlib.import_module(f"benchmarks.peers.{task.peer}").open_peer(task.place)
    tally = Tally(check=task.check)
    reading = measure(job.ready(peer, task.scale, tally))
    job.judge(tally, task.scale, task.place)
    peer.close()
    return reading


if __name__ == "__main__":
    for text in sys.argv[1:]:
        print(json.dumps(asdict(run(Task.from_json(text)))))
