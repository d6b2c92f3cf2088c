"""The file systems, each with the settings that reach the server of the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.peers.base import ACCESS_KEY, REGION, SECRET_KEY, Place

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["FILESYSTEMS"]


def _blobio(place: Place, *, asynchronous: bool) -> AbstractFileSystem:
    from blobio.fsspec import S3FileSystem

    options: dict[str, Any] = {"asynchronous": asynchronous, "skip_instance_cache": True}
    options |= {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "region": REGION}
    return S3FileSystem(endpoint_url=place.endpoint_url, **options)


def _obstore(place: Place, *, asynchronous: bool) -> AbstractFileSystem:
    from obstore.fsspec import FsspecStore

    options: dict[str, Any] = {
        "asynchronous": asynchronous,
        "client_options": {
            "allow_http": True,
            "root_certificate": Path(place.ca_file).read_bytes(),
            "timeout": "10 minutes",
        },
    }
    return FsspecStore(
        "s3",
        endpoint=place.endpoint_url,
        region=REGION,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        virtual_hosted_style_request=False,
        **options,
    )


def _s3fs(place: Place, *, asynchronous: bool) -> AbstractFileSystem:
    from s3fs import S3FileSystem

    return S3FileSystem(
        key=ACCESS_KEY,
        secret=SECRET_KEY,
        endpoint_url=place.endpoint_url,
        client_kwargs={"region_name": REGION},
        asynchronous=asynchronous,
        skip_instance_cache=True,
    )


FILESYSTEMS: Final[Mapping[str, Callable[..., AbstractFileSystem]]] = {
    "blobio": _blobio,
    "obstore": _obstore,
    "s3fs": _s3fs,
}
"""By name: makes one for a place, for coroutines if it is `asynchronous`."""
