"""The conformance suite: what every driver must do, as cases that run against any of them.

A case is an async function that takes a `Harness`. Which cases apply follows from the driver's
`Capabilities`: what a driver says it can do is tested, what it says it cannot do must be refused.
With pytest, a whole test module is::

    @pytest.mark.parametrize("case", cases(capabilities_of(root)), ids=attrgetter("name"))
    async def test_conformance(case: Case) -> None:
        async with open_harness(root, config) as harness:
            await case.run(harness)

An emulator that cannot show a promise is described by `lacks`, with a reason for each; the cases
that need it are left out, not skipped. Cases write under the harness's own prefix and leave what
they wrote: give them a bucket that is thrown away.
"""

from __future__ import annotations

from blobio.testing.conformance.case import Case, Feature, cases
from blobio.testing.conformance.harness import DriverHarness, Harness, capabilities_of, open_harness

__all__ = [
    "Case",
    "DriverHarness",
    "Feature",
    "Harness",
    "capabilities_of",
    "cases",
    "open_harness",
]
