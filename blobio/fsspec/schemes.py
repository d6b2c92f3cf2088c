"""One file system for each scheme, and the names under which fsspec knows them."""

from __future__ import annotations

import os
import re
from typing import Any, ClassVar, Final, final

import fsspec
from fsspec.registry import _registry

from blobio.azureconfig import account_of
from blobio.errors import InvalidConfig
from blobio.fsspec.filesystem import BlobFileSystem

__all__ = [
    "AzureFileSystem",
    "GcsFileSystem",
    "HttpFileSystem",
    "HttpsFileSystem",
    "HubFileSystem",
    "LocalFileSystem",
    "MemoryFileSystem",
    "S3FileSystem",
    "register",
    "unregister",
]


@final
class S3FileSystem(BlobFileSystem):
    """S3 and every store that speaks it; paths are `bucket/key`."""

    scheme = "s3"
    url_prefix: str = "s3://"
    protocol: ClassVar[tuple[str, ...]] = ("blobios3", "s3", "s3a")


@final
class GcsFileSystem(BlobFileSystem):
    """Google Cloud Storage; paths are `bucket/key`."""

    scheme = "gs"
    url_prefix: str = "gs://"
    protocol: ClassVar[tuple[str, ...]] = ("blobiogs", "gs", "gcs")


@final
class AzureFileSystem(BlobFileSystem):
    """Azure Blob Storage; paths are `account/container/key`.

    As with adlfs they are `container/key` where an option tells the account: `account_name`, which
    URLs of the form `abfs://container@account.dfs.core.windows.net/key` bring along, or else
    `connection_string`.
    """

    scheme = "az"
    url_prefix: str = "az://"
    protocol: ClassVar[tuple[str, ...]] = ("blobioaz", "az", "abfs", "abfss")

    def __init__(self, **storage_options: Any) -> None:
        super().__init__(**storage_options)
        connection = storage_options.get("connection_string")
        account = storage_options.get("account_name") or (connection and account_of(connection))
        if account:
            self.url_prefix = f"az://{account}/"

    @classmethod
    def _strip_protocol(cls, path: str | list[str]) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        stripped: str = super()._strip_protocol(path)
        place = _WITH_HOST.match(stripped)
        return stripped if place is None else place["container"] + stripped[place.end() :]

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        place = _WITH_HOST.match(path.partition("://")[2])
        return {} if place is None else {"account_name": place["account"]}


_WITH_HOST: Final = re.compile(r"(?P<container>[^/@]+)@(?P<account>[^/.@]+)[^/@]*")


@final
class HttpsFileSystem(BlobFileSystem):
    """Files of web servers, read only; paths are `host/path`."""

    scheme = "https"
    url_prefix: str = "https://"
    protocol: ClassVar[tuple[str, ...]] = ("blobiohttps", "https")


@final
class HttpFileSystem(BlobFileSystem):
    """Files of web servers without TLS, read only; paths are `host/path`."""

    scheme = "http"
    url_prefix: str = "http://"
    protocol: ClassVar[tuple[str, ...]] = ("blobiohttp", "http")


@final
class HubFileSystem(BlobFileSystem):
    """Datasets of the Hugging Face Hub, read only; paths are `datasets/ns/name[@revision]/path`."""

    scheme = "hf"
    url_prefix: str = "hf://"
    protocol: ClassVar[tuple[str, ...]] = ("blobiohf", "hf")


@final
class MemoryFileSystem(BlobFileSystem):
    """Blobs in this process; paths are `bucket/key`."""

    scheme = "memory"
    url_prefix: str = "memory://"
    protocol: ClassVar[tuple[str, ...]] = ("blobiomemory", "memory")


@final
class LocalFileSystem(BlobFileSystem):
    """The local disk, with writes that are atomic."""

    scheme = "file"
    url_prefix: str = ""
    protocol: ClassVar[tuple[str, ...]] = ("blobiofile", "file", "local")
    root_marker: ClassVar[str] = "/"


_SYSTEMS: Final = (
    S3FileSystem,
    GcsFileSystem,
    AzureFileSystem,
    HttpsFileSystem,
    HttpFileSystem,
    HubFileSystem,
    MemoryFileSystem,
    LocalFileSystem,
)
_BY_NAME: Final = {name: system for system in _SYSTEMS for name in system.protocol[1:]}
_replaced: Final[dict[str, type[fsspec.AbstractFileSystem] | None]] = {}


def register(*protocols: str) -> None:
    """Let fsspec serve these protocols with blobio in this process; none means all it can.

    File systems that were made before stay what they are. Calling it twice changes nothing.

    Raises:
        InvalidConfig: blobio does not serve one of them; then none is changed.
    """
    for name in protocols:
        if name not in _BY_NAME:
            message = f"blobio.fsspec cannot serve {name!r}; it serves {', '.join(_BY_NAME)}"
            raise InvalidConfig(message)
    for name in protocols or _BY_NAME:
        if name not in _replaced:
            _replaced[name] = _registry.get(name)
            fsspec.register_implementation(name, _BY_NAME[name], clobber=True)


def unregister(*protocols: str) -> None:
    """Give these protocols back to whom they belonged; none means all that were taken."""
    for name in protocols or list(_replaced):
        if name not in _replaced:
            continue
        before = _replaced.pop(name)
        if before is None:  # fsspec imports it when it is next asked for
            _registry.pop(name, None)
        else:
            fsspec.register_implementation(name, before, clobber=True)


if _wanted := os.environ.get("BLOBIO_FSSPEC", "").replace(",", " ").split():
    register(*_wanted)
