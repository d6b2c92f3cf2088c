"""Every setting, as one frozen tree. Units are in the names.

`Config()` is the defaults; `Config.from_env()` adds what the environment says and is the only place
that reads it (cloud credentials excepted: those go through the clouds' own libraries). A `Config`
pickles, which is how contexts travel to other processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, final

from blobio.azureconfig import AzureConfig
from blobio.checking import is_web_url, require
from blobio.datasetconfig import DatasetConfig
from blobio.gcsconfig import GcsConfig
from blobio.hubconfig import HubConfig
from blobio.usage import Usage

if TYPE_CHECKING:
    from blobio.transport.observe import Event

__all__ = [
    "AzureConfig",
    "Config",
    "DatasetConfig",
    "GcsConfig",
    "HttpConfig",
    "HubConfig",
    "ReadConfig",
    "RetryConfig",
    "S3Config",
    "WriteConfig",
]

MIB: Final = 1 << 20


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """When to try again. Both limits are always on.

    Attributes:
        attempts: Most requests sent for one operation, the first included.
        no_progress_s: Seconds from the first attempt after which no further one is made. A
            transfer that moves bytes starts a new count with each request.
        base_s: Upper bound of the first random wait; doubles with each attempt (full jitter).
        max_s: Largest upper bound of a random wait.
        retry_after_max_s: Longest wait a server may ask for; a longer one ends the retries.
        budget: Retries that a context may make in a burst; each success gives back a tenth of one.
            It keeps an outage from multiplying traffic.
        log_threshold: Retries of one request that go by before they are logged as warnings.
        get_deadline: Called before each attempt; returns a Unix time past which
            `DeadlineExceeded` is raised. None for no such limit.
    """

    attempts: int = 8
    no_progress_s: float = 120.0
    base_s: float = 0.1
    max_s: float = 20.0
    retry_after_max_s: float = 60.0
    budget: int = 500
    log_threshold: int = 0
    get_deadline: Callable[[], float] | None = None

    def __post_init__(self) -> None:
        require(self.attempts >= 1, f"RetryConfig.attempts must be at least 1: {self.attempts}")
        require(self.no_progress_s > 0, f"RetryConfig.no_progress_s: {self.no_progress_s}")
        require(0 < self.base_s <= self.max_s, "RetryConfig needs 0 < base_s <= max_s")
        require(self.budget >= 1, f"RetryConfig.budget must be at least 1: {self.budget}")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """How to talk HTTP, for every driver that does.

    Attributes:
        connect_timeout_s: Limit of DNS, TCP and TLS together.
        stall_timeout_s: Limit without a byte, while sending, waiting or receiving.
        min_bytes_per_s: A body slower than this, averaged over `stall_timeout_s`, is given up.
        requests_per_host: Most requests in flight per host; lowered while a host is throttling.
        idle_s: How long an unused connection is kept.
        ca_file: PEM file of certificate authorities to trust instead of the system's.
        verify_tls: False accepts any certificate, with a warning in every process.
        proxy: `http(s)://[user:password@]host[:port]` of an HTTP proxy, or None. The environment's
            proxies are used only with `trust_env`.
        trust_env: Honour `HTTP_PROXY` and friends. Off by default; `.netrc` is never read.
        bytes_per_s: Most bytes a second of all bodies a context sends and gets; None: no limit.
        user_agent: Value of the User-Agent header.
        max_redirects: For http(s):// URLs only; object stores are never followed.
        private_redirects: Let a redirect lead from a public host to a private address, and from
            any host to a link-local one (`169.254.169.254` and its like).
        headers: Extra headers for http(s):// URLs, by the host they go to (`{"a.example": {...}}`).
    """

    connect_timeout_s: float = 10.0
    stall_timeout_s: float = 30.0
    min_bytes_per_s: int = 100
    requests_per_host: int = 64
    idle_s: float = 30.0
    ca_file: str | None = None
    verify_tls: bool = True
    proxy: str | None = field(default=None, repr=False)
    trust_env: bool = False
    bytes_per_s: int | None = None
    user_agent: str = "blobio"
    max_redirects: int = 5
    private_redirects: bool = False
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        require(self.connect_timeout_s > 0, f"connect_timeout_s: {self.connect_timeout_s}")
        require(self.stall_timeout_s > 0, f"stall_timeout_s: {self.stall_timeout_s}")
        require(self.requests_per_host >= 1, f"requests_per_host: {self.requests_per_host}")
        require(self.bytes_per_s is None or self.bytes_per_s >= 1, "HttpConfig.bytes_per_s")
        require(
            self.proxy is None or is_web_url(self.proxy),
            "HttpConfig.proxy must be http(s)://[user:password@]host[:port]",  # it may be a secret
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConfig:
    """How to read.

    Attributes:
        part_bytes: Size of one ranged request of a large or sequential read.
        window: Most parts in flight for one reader.
        coalesce_bytes: `read_ranges` fetches two ranges together if the gap between them is at
            most this.
        resumes: How often one part is resumed after its body broke off with some progress.
    """

    part_bytes: int = 8 * MIB
    window: int = 8
    coalesce_bytes: int = 1 * MIB
    resumes: int = 20

    def __post_init__(self) -> None:
        require(self.part_bytes >= 1, f"ReadConfig.part_bytes: {self.part_bytes}")
        require(self.window >= 1, f"ReadConfig.window must be at least 1: {self.window}")
        require(self.coalesce_bytes >= 0, f"ReadConfig.coalesce_bytes: {self.coalesce_bytes}")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WriteConfig:
    """How to write.

    Attributes:
        part_bytes: Size of the first parts of an upload; later parts grow as the store's part
            limit demands. A body of at most this size is one PUT.
        window: Most parts in flight for one writer.
        durable: Local files: fsync before publishing.
    """

    part_bytes: int = 8 * MIB
    window: int = 8
    durable: bool = False

    def __post_init__(self) -> None:
        require(self.part_bytes >= 1, f"WriteConfig.part_bytes: {self.part_bytes}")
        require(self.window >= 1, f"WriteConfig.window must be at least 1: {self.window}")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """How to reach S3, or a store that speaks it.

    Attributes:
        endpoint_url: `http(s)://host[:port]` of the store; None for AWS by region.
        region: Region name; None asks botocore's chain, then the store.
        addressing: `"virtual"` (bucket in the host), `"path"`, or `"auto"`: virtual on AWS where
            the bucket's name allows it, path on a custom endpoint.
        profile: Profile of the AWS configuration files; None for the chain's default.
        access_key_id: Explicit credentials, instead of the chain.
        secret_access_key: See `access_key_id`.
        session_token: See `access_key_id`.
        anonymous: Send no credentials at all, and look for none.
        requester_pays: Accept the costs of requests to requester-pays buckets.
        sse: Value of `x-amz-server-side-encryption` for new objects (`"AES256"`, `"aws:kms"`).
        sse_kms_key_id: KMS key for `sse="aws:kms"`.
        sse_customer_key: 32 bytes of SSE-C key, sent with every read and write.
        storage_class: Storage class of new objects.
        checksums: `"crc32c"` sends and asks for CRC32C; `"md5"` sends Content-MD5 only, for stores
            that reject newer checksum headers; `"off"` sends none.
        etag_is_md5: Take a plain 32-digit ETag of an object without KMS or SSE-C for its MD5, as
            AWS documents. False for stores where that is not so.
        conditional_writes: The store decides `If-Match` and `If-None-Match` on writes. False for
            stores that accept and ignore them (`rclone serve s3`): `overwrite=False`, mode `x` and
            `version=` then raise `Unsupported` instead of pretending.
        equal_parts: Never grow the parts of an upload, for stores that want equal ones (R2).
        buckets: Settings of single buckets, replacing these as a whole.
    """

    endpoint_url: str | None = None
    region: str | None = None
    addressing: Literal["auto", "virtual", "path"] = "auto"
    profile: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    anonymous: bool = False
    requester_pays: bool = False
    sse: str | None = None
    sse_kms_key_id: str | None = None
    sse_customer_key: bytes | None = field(default=None, repr=False)
    storage_class: str | None = None
    checksums: Literal["crc32c", "md5", "off"] = "crc32c"
    etag_is_md5: bool = True
    conditional_writes: bool = True
    equal_parts: bool = False
    buckets: Mapping[str, S3Config] = field(default_factory=dict)

    def __post_init__(self) -> None:
        explicit = (self.access_key_id is None, self.secret_access_key is None)
        require(explicit[0] == explicit[1], "S3Config needs both access_key_id and its secret")
        require(
            self.endpoint_url is None or self.endpoint_url.startswith(("http://", "https://")),
            f"S3Config.endpoint_url must start with http:// or https://: {self.endpoint_url!r}",
        )
        require(
            self.endpoint_url is None or "@" not in self.endpoint_url.split("/")[2],
            "S3Config.endpoint_url takes no user and password: use access_key_id and its secret",
        )
        require(
            self.sse_customer_key is None or len(self.sse_customer_key) == 32,  # noqa: PLR2004
            "S3Config.sse_customer_key must be 32 bytes",
        )

    def for_bucket(self, bucket: str) -> S3Config:
        """Return the settings that apply to `bucket`."""
        return self.buckets.get(bucket, self)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of a context.

    Attributes:
        retry: When to try again.
        http: How to talk HTTP.
        read: How to read.
        write: How to write.
        s3: How to reach S3.
        gcs: How to reach Google Cloud Storage.
        azure: How to reach Azure Blob Storage.
        hub: How to reach the Hugging Face Hub.
        dataset: Where datasets are found and kept.
        buffer_bytes: Default buffer of a `BlobFile`.
        memory_bytes: Bound of the bytes all transfers of a context hold at once. One part is
            always let through, however large.
        cache_bytes: Bound of a `cache_dir`, least recently used copies go first; None for none.
        state_dir: Where `blobio cp --resume` keeps its journals; None for `~/.local/state/blobio`.
        disk_on_loop_s: To open, write or describe a small file usually takes less time than to
            wake a thread for it. With more than 0 the async context does so on the loop's own
            thread, and when that took longer than this three times in a row, by threads for a
            second. For programs that can spare their loop, as `blobio` can: a disk that hangs
            stops everything on it.
        output_az_paths: Listings, walks and globs yield Azure paths as `az://`; False yields
            `https://ACCOUNT.blob.core.windows.net/...`, which functions take as well.
        log_callback: Gets each log line, as blobfile's did; None leaves them to `logging`.
        on_event: Called with one `Event` for every attempt of every request.
        usage: Where requests and bytes are counted; None counts nothing.
    """

    retry: RetryConfig = field(default_factory=RetryConfig)
    http: HttpConfig = field(default_factory=HttpConfig)
    read: ReadConfig = field(default_factory=ReadConfig)
    write: WriteConfig = field(default_factory=WriteConfig)
    s3: S3Config = field(default_factory=S3Config)
    gcs: GcsConfig = field(default_factory=GcsConfig)
    azure: AzureConfig = field(default_factory=AzureConfig)
    hub: HubConfig = field(default_factory=HubConfig)
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    buffer_bytes: int = 8 * MIB
    memory_bytes: int = 1024 * MIB
    cache_bytes: int | None = None
    state_dir: str | None = None
    disk_on_loop_s: float = 0.0
    output_az_paths: bool = True
    log_callback: Callable[[str], None] | None = None
    on_event: Callable[[Event], None] | None = None
    usage: Usage | None = None

    def __post_init__(self) -> None:
        require(self.buffer_bytes >= 1, f"Config.buffer_bytes: {self.buffer_bytes}")
        require(self.memory_bytes >= 1, f"Config.memory_bytes: {self.memory_bytes}")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Return the defaults, changed by the environment.

        Reads `AWS_ENDPOINT_URL_S3`, then `AWS_ENDPOINT_URL`; `AWS_REGION`, then
        `AWS_DEFAULT_REGION`; `STORAGE_EMULATOR_HOST`, which also makes requests to Google Cloud
        Storage anonymous, and `BLOBFILE_FORCE_GOOGLE_ANONYMOUS_AUTH=1`; `GOOGLE_CLOUD_PROJECT`;
        `BLOBIO_CA_FILE`; `BLOBIO_STATE_DIR`, then `XDG_STATE_HOME`, in which `blobio` is the
        directory; and what the `from_env` of `AzureConfig`, `HubConfig` and
        `DatasetConfig` name.

        Args:
            environ: Where to look; None for `os.environ`.
        """
        env = os.environ if environ is None else environ
        endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL")
        if env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
            endpoint = None
        home = env.get("XDG_STATE_HOME")
        return cls(
            s3=S3Config(
                endpoint_url=endpoint or None,
                region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or None,
            ),
            gcs=GcsConfig.from_env(env),
            azure=AzureConfig.from_env(env),
            hub=HubConfig.from_env(env),
            dataset=DatasetConfig.from_env(env),
            http=HttpConfig(ca_file=env.get("BLOBIO_CA_FILE") or None),
            state_dir=env.get("BLOBIO_STATE_DIR") or (f"{home}/blobio" if home else None),
        )
