"""`Context`: the mirror of `AsyncContext`, its settings, its life, and blobfile's names."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest

import blobio as bf
from blobio.aio import AsyncContext
from blobio.blocking.settings import BlobfileSettings, translate
from blobio.testing.strict_s3 import StrictS3

PATHS: Final = ("basename", "dirname", "join")
ONLY_BLOCKING: Final = {
    **dict.fromkeys(PATHS, "functions of the module; blobfile's contexts have them as methods"),
    "BlobFile": "async files are made by `open`",
    "close": "aclose",
    "configure": "an async context is made for one set of settings",
    "last_version_seen": "async files have `version`",
}
ONLY_ASYNC: Final = {
    "aclose": "close",
    "open": "BlobFile",
    "scandir_pages": "for the crossing of threads",
    "walk_pages": "for the crossing of threads",
    "scanglob_pages": "for the crossing of threads",
    "fetch": "for files that are not streamed",
    "publish": "for files that are not streamed",
    "cached": "for files that are not streamed",
}
BLOBFILE_ARGUMENTS: Final = {
    "copy": {"parallel", "parallel_executor"},  # they have no effect: the core has none of them
    "rmtree": {"parallel", "parallel_executor"},
}


def verbs(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def parameters(signature: inspect.Signature) -> dict[str, tuple[object, object]]:
    """Return name, default and annotation, whether positional or by keyword."""
    return {
        name: (parameter.default, parameter.annotation)
        for name, parameter in signature.parameters.items()
        if name != "self"
    }


def test_every_verb_is_on_both_contexts() -> None:
    blocking, asynchronous = set(verbs(bf.Context)), set(verbs(AsyncContext))

    assert blocking - asynchronous == set(ONLY_BLOCKING)
    assert asynchronous - blocking == set(ONLY_ASYNC)


@pytest.mark.parametrize("name", sorted(set(verbs(bf.Context)) - set(ONLY_BLOCKING)))
def test_verb_has_the_same_parameters_on_both_contexts(name: str) -> None:
    blocking = parameters(verbs(bf.Context)[name])
    for extra in BLOBFILE_ARGUMENTS.get(name, ()):
        del blocking[extra]

    assert blocking == parameters(verbs(AsyncContext)[name])


@pytest.mark.parametrize("name", sorted(set(verbs(bf.Context)) - set(ONLY_BLOCKING)))
def test_verb_returns_the_same_on_both_contexts(name: str) -> None:
    same = {"Iterator[tuple[str, list[str], list[str]]]": "AsyncIterator[Walked]"}
    blocking = str(verbs(bf.Context)[name].return_annotation)

    expected = same.get(blocking, blocking.replace("Iterator[", "AsyncIterator["))
    assert verbs(AsyncContext)[name].return_annotation == expected


def test_functions_are_the_methods_of_one_context() -> None:
    owners = {
        getattr(bf, name).__self__
        for name in (*verbs(bf.Context),)
        if name not in ("close", *PATHS) and hasattr(bf, name)
    }

    assert len(owners) == 1


def test_path_functions_are_methods_of_a_context_too() -> None:
    context = bf.Context(bf.Config())

    assert context.join("s3://b/a", "c", "d") == bf.join("s3://b/a", "c", "d") == "s3://b/a/c/d"
    assert context.dirname("s3://b/a/c") == bf.dirname("s3://b/a/c") == "s3://b/a"
    assert context.basename("s3://b/a/c") == bf.basename("s3://b/a/c") == "c"


SIGNATURES: Final = {
    "BlobFile": "path mode streaming buffer_size cache_dir file_size version partial_writes_on_exc",
    "copy": "src dst overwrite parallel parallel_executor return_md5 dst_version",
    "exists": "path",
    "isdir": "path",
    "listdir": "path shard_prefix_length",
    "scandir": "path shard_prefix_length",
    "glob": "pattern parallel",
    "scanglob": "pattern parallel shard_prefix_length",
    "makedirs": "path",
    "remove": "path",
    "rmdir": "path",
    "rmtree": "path parallel parallel_executor",
    "stat": "path",
    "set_mtime": "path mtime version",
    "walk": "top topdown onerror",
    "get_url": "path",
    "md5": "path",
    "read_bytes": "path",
    "read_text": "path",
    "write_bytes": "path data",
    "write_text": "path text",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_blobfile_programs_may_pass_arguments_by_position(name: str) -> None:
    signature = inspect.signature(getattr(bf, name))
    positional = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]

    assert positional == SIGNATURES[name].split()


# Errors


@pytest.mark.parametrize(
    ("raised", "caught"),
    [
        (bf.NotFound, (bf.Error, FileNotFoundError, OSError)),
        (bf.AlreadyExists, (bf.Error, FileExistsError)),
        (bf.IsDirectory, (bf.Error, IsADirectoryError)),
        (bf.NotDirectory, (bf.Error, NotADirectoryError)),
        (bf.VersionMismatch, (bf.Error, bf.RequestFailure, bf.VersionMismatch)),
        (bf.ConcurrentWrite, (bf.Error, bf.RequestFailure, bf.ConcurrentWriteFailure)),
        (bf.UploadLost, (bf.RequestFailure, bf.RestartableStreamingWriteFailure)),
        (bf.DeadlineExceeded, (bf.Error, bf.RequestFailure, TimeoutError)),
        (bf.PermissionDenied, (bf.RequestFailure, PermissionError)),
        (bf.InvalidUrl, (bf.Error, ValueError)),
        (bf.TransportFailed, (bf.RequestFailure, ConnectionError)),
    ],
)
def test_blobfile_names_catch_what_they_caught(
    raised: type[bf.BlobError], caught: tuple[type[Exception], ...]
) -> None:
    for name in caught:
        with pytest.raises(name):
            raise raised("message", url="memory://b/k")


# Settings


def test_settings_translate() -> None:
    lines: list[str] = []
    settings: BlobfileSettings = {
        "log_callback": lines.append,
        "connection_pool_max_size": 3,
        "azure_write_chunk_size": 5 << 20,
        "google_write_chunk_size": 6 << 20,
        "retry_log_threshold": 2,
        "retry_common_log_threshold": 1,
        "retry_limit": 4,
        "connect_timeout": 1,
        "read_timeout": 2,
        "output_az_paths": False,
        "use_azure_storage_account_key_fallback": True,
        "get_http_pool": None,
        "use_streaming_read": True,
        "use_blind_writes": True,
        "default_buffer_size": 1234,
        "save_access_token_to_disk": True,
        "multiprocessing_start_method": "fork",
        "get_deadline": lambda: 0.0,
    }

    config = translate(settings)

    assert config.log_callback == lines.append
    assert (config.http.requests_per_host, config.write.part_bytes) == (3, 6 << 20)
    assert (config.retry.log_threshold, config.retry.attempts) == (2, 5)
    assert (config.http.connect_timeout_s, config.http.stall_timeout_s) == (1, 2)
    assert (config.output_az_paths, config.buffer_bytes) == (False, 1234)
    assert config.retry.get_deadline is settings["get_deadline"]
    assert config.azure.save_access_token_to_disk


def test_no_retry_limit_is_not_an_endless_one() -> None:
    assert translate({"retry_limit": None}).retry == bf.RetryConfig()


def test_no_settings_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.example:1")

    assert translate({}) == bf.Config.from_env()
    assert bf.create_context().config.s3.endpoint_url == "http://store.example:1"
    assert bf.Context().config.s3.endpoint_url == "http://store.example:1"


def test_unknown_setting_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"no_such_thing.*default_buffer_size"):
        cast("Any", bf.create_context)(no_such_thing=1)


def test_http_pool_is_refused_with_a_way_out() -> None:
    with pytest.raises(bf.InvalidConfig, match=r"HttpConfig\(proxy="):
        bf.create_context(get_http_pool=lambda: None)


def test_setting_without_effect_warns_as_blobfile_does() -> None:
    with pytest.warns(UserWarning, match="max_connection_pool_count") as caught:
        bf.create_context(max_connection_pool_count=1)

    assert caught[0].filename == __file__


def test_value_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="buffer_bytes"):
        bf.create_context(default_buffer_size=0)


def test_configure_replaces_all_settings_for_what_is_opened_next() -> None:
    context = bf.create_context(default_buffer_size=10, read_timeout=7)
    context.write_bytes("memory://context/k", b"0123456789")
    before = context.BlobFile("memory://context/k", "rb")

    context.configure(default_buffer_size=20)

    assert (context.config.buffer_bytes, context.config.http.stall_timeout_s) == (20, 30)
    with before, context.BlobFile("memory://context/k", "rb") as after:
        assert before.read() == after.read() == b"0123456789"
    context.close()


def test_deadline_reaches_the_requests(strict: StrictS3) -> None:
    with (
        bf.create_context(config=strict.config(), get_deadline=lambda: 1.0) as context,
        pytest.raises(bf.DeadlineExceeded),
    ):
        context.exists("s3://blocking/deadline")


def test_log_callback_gets_what_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    lines: list[str] = []
    config = bf.Config(
        s3=bf.S3Config(
            endpoint_url="http://127.0.0.1:9", access_key_id="k", secret_access_key="s", region="r"
        ),
        retry=bf.RetryConfig(base_s=0.001, max_s=0.001),
    )

    with (
        bf.create_context(config=config, retry_limit=1, log_callback=lines.append) as context,
        pytest.raises(ConnectionError),
    ):
        context.exists("s3://bucket/key")

    assert len(lines) >= 1
    assert "s3://bucket/key" in lines[0]


# Life


@pytest.mark.parametrize("config", [None, bf.Config(buffer_bytes=77)])
def test_context_pickles_as_its_config(config: bf.Config | None) -> None:
    context = bf.Context(config)
    context.write_bytes("memory://context/pickle", b"x")

    copy = pickle.loads(pickle.dumps(context))  # noqa: S301 - our own

    assert copy.config == context.config
    assert copy.read_bytes("memory://context/pickle") == b"x"


def test_closed_context_opens_anew() -> None:
    context = bf.Context()
    context.write_bytes("memory://context/again", b"x")

    context.close()
    context.close()

    assert context.read_bytes("memory://context/again") == b"x"
    context.close()


@pytest.mark.parametrize("written", [3, 6, 20])
def test_writer_of_a_closed_context_publishes_nothing_or_all(written: int) -> None:
    path = f"memory://context/closed/{written}"
    context = bf.Context(bf.Config(write=bf.WriteConfig(part_bytes=4)))
    file = context.BlobFile(path, "wb")
    file.write(b"x" * written)

    context.close()

    try:
        file.write(b"y")
        file.close()
    except bf.BlobError:
        assert not context.exists(path)
    else:
        assert context.read_bytes(path) == b"x" * written + b"y"


def test_open_files_keep_their_context_alive() -> None:
    bf.write_bytes("memory://context/alive", bytes(100_000))

    reader = bf.Context(bf.Config(buffer_bytes=10)).BlobFile("memory://context/alive", "rb")
    writer = bf.Context(bf.Config(write=bf.WriteConfig(part_bytes=4))).BlobFile(
        "memory://context/written", "wb"
    )
    names = bf.Context().listdir("memory://context/")

    assert len(reader.read()) == 100_000
    writer.write(bytes(100))
    writer.close()
    reader.close()
    assert "written" in list(names)
    assert len(bf.read_bytes("memory://context/written")) == 100


def test_contexts_are_made_without_a_thread_or_a_look_at_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bf.Config, "from_env", lambda: pytest.fail("looked"))
    before = threading.active_count()

    bf.Context()
    bf.Context(bf.Config())

    assert threading.active_count() == before


@pytest.fixture
def without_botocore(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == "botocore" else found(name, *a),
    )
    return iter([None])


@pytest.mark.usefixtures("without_botocore")
def test_missing_extra_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    calls = {
        "open": lambda: bf.Context().BlobFile("s3://bucket/key", "rb"),
        "stat": lambda: bf.Context().stat("s3://bucket/key"),
        "write": lambda: bf.Context().write_bytes("s3://bucket/key", b""),
        "list": lambda: list(bf.Context().listdir("s3://bucket/")),
        "copy": lambda: bf.Context().copy("s3://bucket/key", str(tmp_path / "file")),
    }
    for call in calls.values():
        with pytest.raises(bf.Unsupported, match=r"pip install 'blobio\[s3\]'"):
            cast("Any", call)()
