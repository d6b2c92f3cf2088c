"""Where a bucket is: endpoint, host style, region; and how keys and queries are escaped. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, final
from urllib.parse import quote, urlsplit

from blobio.errors import InvalidConfig, InvalidUrl, redact

__all__ = [
    "DEFAULT_REGION",
    "MAX_KEY_BYTES",
    "Endpoint",
    "is_region",
    "locate",
    "query_string",
    "quote_key",
    "service_url",
]

DEFAULT_REGION: Final = "us-east-1"
MAX_KEY_BYTES: Final = 1024

# A virtual host needs a DNS label: a name with a dot leaves the endpoint's wildcard certificate.
_DNS_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_DNS_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# What stores other than AWS allow too; it cannot be more than one step of a path.
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REGION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,40}")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_LOOPBACK: Final = re.compile(
    r"https?://(?:localhost|127(?:\.[0-9]+){3}|\[::1\])(?::[0-9]+)?(?:/|$)"
)


@final
@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests for one bucket go.

    Attributes:
        base: URL of the bucket without a trailing slash: `https://bucket.s3.eu-west-1.amazonaws.com`
            or `http://127.0.0.1:9000/bucket`.
        bucket_path: What follows `base` in requests for the bucket itself: `"/"` when the bucket
            is in the host, else `""`.
        region: Region to sign for.
        regional: The host names the region, so that another region means another host.
    """

    base: str
    bucket_path: str
    region: str
    regional: bool = False

    @property
    def is_private(self) -> bool:
        """Nobody on the way can read a header: TLS, or this machine itself."""
        return self.base.startswith("https:") or _LOOPBACK.match(self.base) is not None

    def object_url(self, key: str, query: str = "") -> str:
        """Return the URL of `key`, escaped once; `query` is escaped already."""
        url = f"{self.base}/{quote_key(key)}"
        return f"{url}?{query}" if query else url

    def bucket_url(self, query: str) -> str:
        """Return the URL of the bucket with an escaped `query`."""
        return f"{self.base}{self.bucket_path}?{query}"


def quote_key(key: str) -> str:
    """Escape a key for a path: once, `/` kept, dot segments left as they are.

    Raises:
        InvalidUrl: The key is longer than 1024 bytes of UTF-8, or is not unicode text.
    """
    try:
        octets = key.encode()
    except UnicodeEncodeError as error:
        message = f"{key!r} is not unicode text, so S3 cannot store it as a key"
        raise InvalidUrl(message) from error
    if len(octets) > MAX_KEY_BYTES:
        message = f"an S3 key has at most {MAX_KEY_BYTES} bytes of UTF-8, this one {len(octets)}"
        raise InvalidUrl(message)
    return quote(octets, safe="/")


def query_string(pairs: Iterable[tuple[str, str]]) -> str:
    """Escape a query; a value of `""` is written `name=`, as S3 signs it.

    Raises:
        InvalidUrl: A value is not unicode text.
    """
    try:
        escaped = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs]
    except UnicodeEncodeError as error:
        message = f"{error.object!r} is not unicode text, so no key in S3 has it"
        raise InvalidUrl(message) from error
    return "&".join(escaped)


def is_region(text: str) -> bool:
    """Tell if `text` may stand in a host name as a region; stores' answers are checked by this."""
    return _REGION.fullmatch(text) is not None


def locate(
    bucket: str,
    *,
    endpoint_url: str | None,
    region: str | None,
    addressing: Literal["auto", "virtual", "path"],
    dns_suffix: Callable[[str], str],
) -> Endpoint:
    """Work out where `bucket` is.

    Args:
        bucket: Name of the bucket.
        endpoint_url: A store's own endpoint, or None for AWS.
        region: Region, or None: us-east-1, until the store says otherwise.
        addressing: As in `S3Config`. `auto` is `virtual` on AWS for a bucket whose name is a DNS
            label, else `path`.
        dns_suffix: Maps a region to the DNS suffix of its partition (`"amazonaws.com"`).

    Raises:
        InvalidUrl: `bucket` holds `/`, `?` or the like, and would be more than a name.
        InvalidConfig: The endpoint is not a plain http(s) URL, the region could not be one, or the
            bucket's name cannot be part of a host though `virtual` was asked for.
    """
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        message = f"{bucket!r} cannot be the name of a bucket"
        raise InvalidUrl(message)
    region = region or DEFAULT_REGION
    if not is_region(region):
        message = f"{region!r} cannot be the name of a region"
        raise InvalidConfig(message)
    if endpoint_url is None:
        scheme, host, path = "https", f"s3.{region}.{dns_suffix(region)}", ""
        virtual = addressing == "virtual" or (
            addressing == "auto" and _DNS_LABEL.fullmatch(bucket) is not None
        )
    else:
        scheme, host, path = _custom(endpoint_url)
        virtual = addressing == "virtual"
    regional = endpoint_url is None
    if not virtual:
        return Endpoint(f"{scheme}://{host}{path}/{bucket}", "", region, regional)
    if _DNS_NAME.fullmatch(bucket) is None or ".." in bucket:
        message = f"the bucket name {bucket!r} cannot be part of a host: use addressing='path'"
        raise InvalidConfig(message)
    return Endpoint(f"{scheme}://{bucket}.{host}{path}", "/", region, regional)


def service_url(endpoint_url: str | None, region: str, dns_suffix: Callable[[str], str]) -> str:
    """Return the URL of the store itself, without a trailing slash. See `locate`.

    Raises:
        InvalidConfig: The endpoint is not a plain http(s) URL, or the region could not be one.
    """
    if not is_region(region):
        message = f"{region!r} cannot be the name of a region"
        raise InvalidConfig(message)
    if endpoint_url is None:
        return f"https://s3.{region}.{dns_suffix(region)}"
    scheme, host, path = _custom(endpoint_url)
    return f"{scheme}://{host}{path}"


def _custom(endpoint_url: str) -> tuple[str, str, str]:
    parts = urlsplit(endpoint_url)
    host = parts.netloc.lower()
    if parts.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host) or parts.query:
        message = f"endpoint_url must be http(s)://host[:port], not {redact(endpoint_url)!r}"
        raise InvalidConfig(message)
    return parts.scheme, host.removesuffix(_DEFAULT_PORTS[parts.scheme]), parts.path.rstrip("/")
