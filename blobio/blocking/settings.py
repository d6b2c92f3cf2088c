"""blobfile's settings, translated to a `Config`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypedDict

from blobio.errors import InvalidConfig
from blobio.forks import IMPORTS

if TYPE_CHECKING:
    from blobio.azureconfig import AzureConfig
    from blobio.config import Config

__all__ = ["BlobfileSettings", "translate"]


class BlobfileSettings(TypedDict, total=False):
    """The keyword arguments of blobfile's `configure` and `create_context`, and `config`.

    Attributes:
        config: blobio's own settings, which the others change; default `Config.from_env()`.
        log_callback: Gets each log line.
        connection_pool_max_size: `HttpConfig.requests_per_host`.
        max_connection_pool_count: Has no effect, as in blobfile.
        azure_write_chunk_size: Bytes; the larger of the two is `WriteConfig.part_bytes`.
        google_write_chunk_size: See `azure_write_chunk_size`.
        retry_log_threshold: `RetryConfig.log_threshold`.
        retry_common_log_threshold: Has no effect: common failures are logged like others.
        retry_limit: Retries after the first attempt; None keeps the default, which is not endless.
        connect_timeout: Seconds; `HttpConfig.connect_timeout_s`.
        read_timeout: Seconds without a byte; `HttpConfig.stall_timeout_s`.
        output_az_paths: `Config.output_az_paths`.
        use_azure_storage_account_key_fallback: Has no effect.
        get_http_pool: Must be None: there is no urllib3 below. See `HttpConfig`.
        use_streaming_read: Has no effect: reads stream, and seeks are cheap, without it.
        use_blind_writes: Has no effect: opening for write never sends a request.
        default_buffer_size: Bytes; `Config.buffer_bytes`.
        save_access_token_to_disk: `AzureConfig.save_access_token_to_disk`, off unless it is set.
        multiprocessing_start_method: Has no effect: nothing is done in other processes.
        get_deadline: `RetryConfig.get_deadline`.
    """

    config: Config
    log_callback: Callable[[str], None] | None
    connection_pool_max_size: int
    max_connection_pool_count: int
    azure_write_chunk_size: int
    google_write_chunk_size: int
    retry_log_threshold: int
    retry_common_log_threshold: int
    retry_limit: int | None
    connect_timeout: float
    read_timeout: float
    output_az_paths: bool
    use_azure_storage_account_key_fallback: bool
    get_http_pool: Callable[[], object] | None
    use_streaming_read: bool
    use_blind_writes: bool
    default_buffer_size: int
    save_access_token_to_disk: bool
    multiprocessing_start_method: str
    get_deadline: Callable[[], float] | None


_KNOWN: Final = BlobfileSettings.__optional_keys__


def translate(settings: BlobfileSettings) -> Config:
    """Return the `Config` that `settings` describe.

    Raises:
        TypeError: A name is unknown.
        InvalidConfig: A value is out of range or cannot be honoured.
    """
    unknown = sorted(set(settings) - _KNOWN)
    if unknown:
        message = f"unknown settings {', '.join(unknown)}: blobio knows {', '.join(sorted(_KNOWN))}"
        raise TypeError(message)
    if settings.get("get_http_pool") is not None:
        message = (
            "get_http_pool cannot be honoured: blobio does not use urllib3. For a proxy, a CA file "
            "or no verification pass config=Config(http=HttpConfig(proxy=..., ca_file=...))"
        )
        raise InvalidConfig(message)
    if "max_connection_pool_count" in settings:
        message = "max_connection_pool_count has no effect"
        warnings.warn(message, UserWarning, stacklevel=3)
    base = settings.get("config")
    if base is None:
        with IMPORTS:
            from blobio.config import Config

            base = Config.from_env()
    retries = settings.get("retry_limit")
    chunks = [
        size
        for name in ("azure_write_chunk_size", "google_write_chunk_size")
        if isinstance(size := settings.get(name), int)
    ]
    return replace(
        base,
        retry=replace(
            base.retry,
            attempts=base.retry.attempts if retries is None else retries + 1,
            log_threshold=settings.get("retry_log_threshold", base.retry.log_threshold),
            get_deadline=settings.get("get_deadline", base.retry.get_deadline),
        ),
        http=replace(
            base.http,
            requests_per_host=settings.get("connection_pool_max_size", base.http.requests_per_host),
            connect_timeout_s=settings.get("connect_timeout", base.http.connect_timeout_s),
            stall_timeout_s=settings.get("read_timeout", base.http.stall_timeout_s),
        ),
        azure=_azure(settings, base.azure),
        write=replace(base.write, part_bytes=max(chunks, default=base.write.part_bytes)),
        buffer_bytes=settings.get("default_buffer_size", base.buffer_bytes),
        output_az_paths=settings.get("output_az_paths", base.output_az_paths),
        log_callback=settings.get("log_callback", base.log_callback),
    )


def _azure(settings: BlobfileSettings, base: AzureConfig) -> AzureConfig:
    keeps = settings.get("save_access_token_to_disk", base.save_access_token_to_disk)
    return replace(base, save_access_token_to_disk=keeps)
