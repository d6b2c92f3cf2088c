"""The file systems, each with the settings that reach the server of the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.peers.base import ACCESS_KEY, ACCOUNT_KEY, REGION, SECRET_KEY, Place
from benchmarks.scale import ACCOUNT

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["FILESYSTEMS"]

Make = Callable[..., "AbstractFileSystem"]


def _blobio(place: Place, *, asynchronous: bool) -> AbstractFileSystem:
    import fsspec

    from blobio.fsspec import GcsFileSystem, S3FileSystem, register

    options: dict[str, Any] = {"asynchronous": asynchronous, "skip_instance_cache": True}
    if place.store == "gcs":
        return GcsFileSystem(endpoint_url=place.endpoint_url, token="anon", **options)
    if place.store == "azure":
        register("abfs")  # as one who comes from adlfs does
        abfs: AbstractFileSystem = fsspec.filesystem(
            "abfs", connection_string=place.connection_string, **options
        )
        return abfs
    options |= {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "region": REGION}
    return S3FileSystem(endpoint_url=place.endpoint_url, **options)


def _obstore(place: Place, *, asynchronous: bool) -> AbstractFileSystem:
    from obstore.fsspec import FsspecStore

    options: dict[str, Any] = {
        "asynchronous": asynchronous,
        "skip_instance_cache": True,
        "client_options": {
            "allow_http": True,
            "root_certificate": Path(place.ca_file).read_bytes(),
            "timeout": "10 minutes",
        },
    }
    if place.store == "gcs":
        return FsspecStore("gs", base_url=place.endpoint_url, bearer_token="none", **options)
    if place.store == "azure":
        options |= {"account_name": ACCOUNT, "account_key": ACCOUNT_KEY}
        return FsspecStore("az", endpoint=place.account_url, **options)
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


def _gcsfs(place: Place, *, asynchronous: bool) -> AbstractFileSystem:
    from gcsfs import GCSFileSystem

    return GCSFileSystem(
        endpoint_url=place.endpoint_url,
        token="anon",
        asynchronous=asynchronous,
        skip_instance_cache=True,
    )


def _adlfs(place: Place, *, asynchronous: bool) -> AbstractFileSystem:
    from adlfs import AzureBlobFileSystem

    return AzureBlobFileSystem(
        connection_string=place.connection_string,
        asynchronous=asynchronous,
        skip_instance_cache=True,
    )


FILESYSTEMS: Final[Mapping[str, Mapping[str, Make]]] = {
    "s3": {"blobio": _blobio, "obstore": _obstore, "s3fs": _s3fs},
    "gcs": {"blobio": _blobio, "obstore": _obstore, "gcsfs": _gcsfs},
    "azure": {"blobio": _blobio, "obstore": _obstore, "adlfs": _adlfs},
}
"""By store and name: makes one for a place, for coroutines if it is `asynchronous`."""
