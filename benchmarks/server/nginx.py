"""nginx, where it is installed, for the reads."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, final

from benchmarks.scale import BUCKET

__all__ = ["STORES", "Site", "find", "serve", "version"]

STORES: Final = ("s3", "gcs")
"""The stores whose reads are those of files; the clients of Azure send `x-ms-range`."""

_START_S: Final = 10.0

# One worker: with a second one the server would compete with the client for two cores.
_CONFIGURATION: Final = """
daemon off;
worker_processes 1;
pid {state}/nginx.pid;
error_log {state}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    sendfile_max_chunk 2m;
    tcp_nopush on;
    keepalive_requests 1000000;
    default_type application/octet-stream;
    map_hash_max_size 65536;
    map_hash_bucket_size 128;
{headers}
    open_file_cache max=16384;
    client_body_temp_path {state}/body;
    proxy_temp_path {state}/proxy;
    fastcgi_temp_path {state}/fastcgi;
    uwsgi_temp_path {state}/uwsgi;
    scgi_temp_path {state}/scgi;
    server {{
        listen 127.0.0.1:{http};
        listen 127.0.0.1:{https} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        ssl_protocols TLSv1.2 TLSv1.3;
        root {directory};
{locations}
    }}
}}
"""

# As S3 does: the checksum of a whole object, to whoever asks for one.
_S3_HEADERS: Final = """
    map "$http_x_amz_checksum_mode:$http_range:$uri" $crc32c {{
        default "";
        include {state}/crc32c.map;
    }}
    map $crc32c $checksum_type {{
        "" "";
        default FULL_OBJECT;
    }}
    add_header x-amz-checksum-crc32c $crc32c;
    add_header x-amz-checksum-type $checksum_type;
"""

# As Google does: always. All files are of generation 1, as those of the raw server.
_GCS_HEADERS: Final = """
    map $uri $crc32c {{
        default "";
        include {state}/crc32c.map;
    }}
    add_header x-goog-hash $crc32c;
    add_header x-goog-generation 1;
    add_header x-goog-metageneration 1;
    add_header x-goog-stored-content-encoding identity;
"""

# The bytes of objects are the files; what is said of them is left to the raw server.
_GCS_LOCATIONS: Final = """
        location ~ ^/(?:download/)?storage/v1/ {{
            error_page 418 = @raw;
            if ($arg_alt != media) {{ return 418; }}
            rewrite ^/(?:download/)?storage/v1/b/([^/]+)/o/(.+)$ /$1/$2 last;
        }}
        location @raw {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
"""
# Objects are files; what is no read of one is left to the raw server.
_S3_LOCATIONS: Final = """
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location / {{
            error_page 403 404 418 = @raw;
            if ($request_method !~ ^(GET|HEAD)$) {{ return 418; }}
        }}
        location = /bench {{ proxy_pass http://127.0.0.1:{behind}; }}
        location = /bench/ {{ proxy_pass http://127.0.0.1:{behind}; }}
        location @raw {{ proxy_pass http://127.0.0.1:{behind}; }}
"""
_HEADERS: Final = {"s3": _S3_HEADERS, "gcs": _GCS_HEADERS}
_LOCATIONS: Final = {"s3": _S3_LOCATIONS, "gcs": _GCS_LOCATIONS}
_MAP_KEY: Final = {"s3": "ENABLED::", "gcs": ""}
_MAP_VALUE: Final = {"s3": "", "gcs": "crc32c="}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is served.

    Attributes:
        store: Whose API is spoken, one of `STORES`.
        directory: The root; a bucket is a directory in it.
        certificate: PEM file of the certificate chain and key.
        crc32c: Checksums by key; empty to serve none.
        behind: Port of the raw server, for what nginx cannot answer.
    """

    store: str
    directory: str
    certificate: str
    crc32c: Mapping[str, str]
    behind: int


def find() -> str | None:
    """Return the path of nginx, or None."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def version(program: str) -> str:
    """Return its name and version, `nginx/1.22.1`."""
    shown = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)  # noqa: S603 - the program found
    return shown.stderr.rpartition(" ")[2].strip()


@contextlib.contextmanager
def serve(program: str, site: Site, state: str) -> Iterator[dict[str, int]]:
    """Serve the files of `site`; yield the ports for http and https.

    Args:
        program: Path of nginx.
        site: What is served.
        state: A directory for its own files.

    Raises:
        RuntimeError: It did not start; the message has its log.
    """
    ports = {"http": _free_port(), "https": _free_port()}
    configuration = os.path.join(state, "nginx.conf")
    with open(configuration, "w", encoding="ascii") as file:
        file.write(
            _CONFIGURATION.format(
                state=state,
                directory=site.directory,
                certificate=site.certificate,
                headers=_HEADERS[site.store].format(state=state),
                locations=_LOCATIONS[site.store].format(behind=site.behind),
                **ports,
            )
        )
    with open(os.path.join(state, "crc32c.map"), "w", encoding="ascii") as file:
        file.writelines(
            f'"{_MAP_KEY[site.store]}/{BUCKET}/{key}" "{_MAP_VALUE[site.store]}{crc}";\n'
            for key, crc in site.crc32c.items()
        )
    command = [program, "-p", state, "-c", configuration]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - the program found
        try:
            for port in ports.values():
                _wait(process, port)
            yield ports
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    process.terminate()
    message = f"nginx did not start: {process.communicate()[1]}"
    raise RuntimeError(message)
