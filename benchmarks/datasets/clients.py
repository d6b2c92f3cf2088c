"""How each library is told where the server is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.peers.base import ACCESS_KEY, REGION, SECRET_KEY, Place

if TYPE_CHECKING:
    from blobio.config import Config

__all__ = ["arrow_files", "arrow_s3fs_files", "blobio_config", "polars_options", "s3fs_options"]


def blobio_config(place: Place) -> Config:
    """Return the settings of blobio."""
    from blobio.config import Config, S3Config

    s3 = S3Config(
        endpoint_url=place.endpoint_url,
        region=REGION,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
    )
    return Config(s3=s3)


def s3fs_options(place: Place) -> dict[str, object]:
    """Return `storage_options` of s3fs, by which HF datasets reads."""
    return {
        "key": ACCESS_KEY,
        "secret": SECRET_KEY,
        "endpoint_url": place.endpoint_url,
        "client_kwargs": {"region_name": REGION},
    }


def arrow_files(place: Place) -> Any:
    """Return pyarrow's own S3 file system, which is C++."""
    import pyarrow.fs as pafs

    scheme, _, host = place.endpoint_url.partition("://")
    return pafs.S3FileSystem(
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        region=REGION,
        scheme=scheme,
        endpoint_override=host,
    )


def arrow_s3fs_files(place: Place) -> Any:
    """Return s3fs for pyarrow, which reads through Python's objects then."""
    import pyarrow.fs as pafs
    import s3fs

    files = s3fs.S3FileSystem(**s3fs_options(place))
    return pafs.PyFileSystem(pafs.FSSpecHandler(files))


def polars_options(place: Place) -> dict[str, str]:
    """Return `storage_options` of polars."""
    return {
        "aws_access_key_id": ACCESS_KEY,
        "aws_secret_access_key": SECRET_KEY,
        "aws_region": REGION,
        "aws_endpoint_url": place.endpoint_url,
        "aws_allow_http": "true",
    }
