from __future__ import annotations

from operator import attrgetter

import pytest

from blobio.config import Config, S3Config
from blobio.testing.conformance import Case, Feature, capabilities_of, cases, open_harness
from blobio.testing.emulators import S3Server
from blobio.url import BlobUrl

ROOT = BlobUrl("s3", "conformance", "")
CAPABILITIES = capabilities_of(
    ROOT,
    Config(
        s3=S3Config(
            endpoint_url="http://127.0.0.1:1",
            region="us-east-1",
            access_key_id="id",
            secret_access_key="secret",
        )
    ),
)
MOTO_LACKS = {
    Feature.ABORTED_UPLOADS: "completing an unknown upload is answered with status 500",
    Feature.REPLACE_ON_COMPLETE: "If-Match is not looked at on completion",
    Feature.CONDITIONAL_COPIES: "conditions are not looked at in copies",
    Feature.NEWLINES: "a key with a newline is answered with status 404",
}
RCLONE_LACKS = {
    Feature.CONDITIONS: "no condition of a PUT or GET is looked at",
    Feature.REPLACE_ON_COMPLETE: "nor of a completion",
    Feature.CONDITIONAL_COPIES: "nor of a copy",
    Feature.PATH_KEYS: "keys are paths of files",
    Feature.LONG_KEYS: "names of files have at most 255 bytes",
    Feature.NAMES_AND_PREFIXES: "a file is not a directory",
    Feature.LONG_SUFFIXES: "a suffix longer than the blob is answered with status 416",
    Feature.COMPLETED_VERSIONS: "a completion tells an ETag that the object does not have",
    Feature.ATOMIC_PUTS: "a put replaces the file and what is kept beside it one after the other",
    Feature.RACING_UPLOADS: "some of the completions at one time are answered with status 500",
    Feature.MARKERS: "a file's name does not end in a slash",
}


@pytest.fixture(scope="session")
def moto_bucket(moto: S3Server) -> S3Server:
    moto.make_bucket(ROOT.authority)
    return moto


@pytest.fixture(scope="session")
def rclone_bucket(rclone: S3Server) -> S3Server:
    rclone.make_bucket(ROOT.authority)
    return rclone


@pytest.mark.parametrize("case", cases(CAPABILITIES, MOTO_LACKS), ids=attrgetter("name"))
async def test_s3_driver_on_moto(case: Case, moto_bucket: S3Server) -> None:
    async with open_harness(ROOT, moto_bucket.config()) as harness:
        await case.run(harness)


@pytest.mark.parametrize("case", cases(CAPABILITIES, RCLONE_LACKS), ids=attrgetter("name"))
async def test_s3_driver_on_rclone(case: Case, rclone_bucket: S3Server) -> None:
    async with open_harness(ROOT, rclone_bucket.config()) as harness:
        await case.run(harness)
