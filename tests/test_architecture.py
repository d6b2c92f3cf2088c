"""The walls of the house: who may import whom, how large a file may grow, what an import costs.

Imports are read from the source, those under `TYPE_CHECKING` and inside functions included: a type
that points upwards is a dependency too. Exceptions are listed here, each with its reason.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import blobio
import blobio.aio

PACKAGE: Final = Path(__file__).parent.parent / "blobio"
FILES: Final = sorted(PACKAGE.rglob("*.py"))

RANKS: Final = {
    "errors": 0,
    "url": 0,
    "paths": 0,
    "values": 0,
    "entries": 0,
    "checking": 0,
    "config": 0,
    "azureconfig": 0,  # branches of config
    "gcsconfig": 0,
    "hubconfig": 0,
    "datasetconfig": 0,
    "checksum": 0,
    "usage": 0,
    "forks": 0,
    "transport": 1,
    "drivers": 2,
    "core": 3,
    "aio": 4,  # the asynchronous face, as blocking is the synchronous one
    "blocking": 4,
    "fsspec": 5,
    "pyarrow": 5,
    "blobpath": 5,
    "cli": 5,
    "dataset": 5,
    "testing": 5,
    "": 6,  # blobio/__init__.py: the public face
    "__main__": 6,
}

UPWARD_FOR_TYPES: Final = {
    # Config holds the user's callback for events; the event is the transport's own value, and a
    # second class of the same fields below it would have to be converted for every request.
    ("config", "transport"),
}

MODULES_THAT_IMPORT_A_ROOM_BESIDE: Final = {
    ("blobio.cli.commands.dataset", "dataset"),  # its commands, loaded when one is asked for
    ("blobio.cli.datasets", "dataset"),  # what those do with rows
}

MAY_IMPORT_TRANSPORT: Final = {"transport", "drivers", "testing"}
MODULES_THAT_IMPORT_TRANSPORT: Final = {
    "blobio.core.stores",  # the composition root
    "blobio",  # `Request` is one of blobfile's public names
}

SEAMS_OF_DRIVERS: Final = {"base", "buckets", "registry", "resumable", "unfinished"}

SCHEMES: Final = {"s3", "gs", "az", "http", "https", "file", "memory", "hf"}
MAX_FILE_LINES: Final = 400
LONGER_FILES: Final = {
    # Signatures, each with its full description, over one line of code (docs/design/0003)
    "blobio.blocking.context": 600,
}
MAX_FUNCTION_LINES: Final = 50
MAX_IMPORT_MS: Final = 60
LIBRARY_MS: Final = 15  # the standard library's part of it on an idle two-core machine


def _module(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    """Return the part of a module's name that has a rank: `"core"` for `blobio.core.reader`."""
    return [*module.split("."), ""][1]


def _imports(file: Path) -> Iterator[str]:
    """Yield the full name of each module, or name from one, that `file` imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            # `from blobio import url` imports the module blobio.url
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own_imports(file: Path) -> Iterator[str]:
    return (name for name in _imports(file) if name.split(".")[0] == "blobio")


def _foreign_imports(file: Path) -> set[str]:
    return {name.split(".")[0] for name in _imports(file)} - {"blobio", "__future__"}


def _files_of(*rooms: str) -> list[Path]:
    return [file for file in FILES if _room(_module(file)) in rooms]


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_module_imports_its_own_room_and_lower_ranks_only(file: Path) -> None:
    module = _module(file)
    room = _room(module)

    for name in _own_imports(file):
        other = _room(name)
        if other == room or (room, other) in UPWARD_FOR_TYPES:
            continue
        if (module, other) in MODULES_THAT_IMPORT_A_ROOM_BESIDE:
            continue
        if RANKS[room] == 0:
            assert RANKS[other] == 0, f"{name} from rank 0"
        else:
            assert RANKS[other] < RANKS[room], f"{name} is not below {room}"


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_upward_import_for_types_stays_one(file: Path) -> None:
    """The exceptions above hold for annotations only, never at run time."""
    room = _room(_module(file))
    guarded = {
        node
        for block in ast.walk(ast.parse(file.read_text()))
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in (ast.unparse(statement) for statement in block.body)
    }

    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (room, _room(str(node.module))) in UPWARD_FOR_TYPES:
            assert ast.unparse(node) in guarded


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_only_drivers_and_the_composition_root_import_transport(file: Path) -> None:
    module = _module(file)
    if _room(module) in MAY_IMPORT_TRANSPORT or module in MODULES_THAT_IMPORT_TRANSPORT:
        return

    upward = {other for room, other in UPWARD_FOR_TYPES if room == _room(module)}
    for name in _own_imports(file):
        assert _room(name) != "transport" or "transport" in upward, name


@pytest.mark.parametrize("file", _files_of("core"), ids=_module)
def test_core_imports_no_cloud(file: Path) -> None:
    for name in _own_imports(file):
        if _room(name) == "drivers":
            assert name.split(".")[2] in SEAMS_OF_DRIVERS, name


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_optional_package_is_imported_in_its_room_only(file: Path) -> None:
    module = _module(file)
    foreign = _foreign_imports(file)

    if _room(module) != "fsspec":
        assert "fsspec" not in foreign
    if _room(module) not in ("dataset", "pyarrow"):
        assert "pyarrow" not in foreign
    if _room(module) not in ("transport", "testing"):
        assert "aiohttp" not in foreign
    if _room(module) not in ("drivers", "testing"):
        assert not foreign & {"botocore", "google", "azure"}


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_no_module_above_drivers_compares_a_scheme(file: Path) -> None:
    if RANKS[_room(_module(file))] <= RANKS["drivers"]:
        return

    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Compare):
            strings = {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)}
            assert not strings & SCHEMES, f"line {node.lineno}: {ast.unparse(node)}"
        # A prefix test is a comparison in disguise. Tests may look at the form of a result.
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith(".startswith")
            and _room(_module(file)) != "testing"
        ):
            assert "://" not in ast.unparse(node), f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("file", FILES, ids=_module)
def test_file_and_its_functions_stay_short(file: Path) -> None:
    text = file.read_text()

    assert len(text.splitlines()) <= LONGER_FILES.get(_module(file), MAX_FILE_LINES)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = _code_lines(node)
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


def _code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without those of its docstring, which may be long."""
    assert node.end_lineno is not None
    docstring = ast.get_docstring(node, clean=False) or ""
    return node.end_lineno - node.lineno + 1 - len(docstring.splitlines())


def test_every_module_has_a_docstring_and_no_vague_name() -> None:
    for file in FILES:
        assert ast.get_docstring(ast.parse(file.read_text())), file
        assert file.stem not in ("utils", "helpers", "misc", "common"), file


PUBLIC: Final = """
    AlreadyExists AzureConfig BlobError BlobFile BlobPath BlobPathLike BlobUrl ChecksumMismatch
    ConcurrentWrite ConcurrentWriteFailure Config Conflict Context CopyIncomplete
    DeadlineExceeded DirEntry DirectoryNotEmpty Error GcsConfig HttpConfig HubConfig
    InvalidConfig InvalidUrl IsDirectory NotDirectory NotFound PermissionDenied RangeNotSatisfiable
    RateLimited ReadConfig Request RequestFailed RequestFailure RestartableStreamingWriteFailure
    RetryConfig S3Config Stat TransportFailed Unauthenticated Unsupported UploadLost
    VersionMismatch WriteConfig __version__ basename configure copy copytree create_context
    dirname exists get_url glob isdir isfile join last_version_seen listdir makedirs md5 move
    read_bytes read_ranges read_text remove rmdir rmtree scandir scanglob set_mtime stat walk
    write_bytes write_text
"""

# What `from blobfile import *` gives, and what its users import by name (blobfile 3.3).
BLOBFILE: Final = """
    BlobFile ConcurrentWriteFailure Context DeadlineExceeded DirEntry Error Request RequestFailure
    RestartableStreamingWriteFailure Stat VersionMismatch __version__ basename configure copy
    create_context dirname exists get_url glob isdir join last_version_seen listdir makedirs md5
    read_bytes read_text remove rmdir rmtree scandir scanglob set_mtime stat walk write_bytes
    write_text
"""


def test_public_names_are_the_ones_listed_here() -> None:
    assert sorted(blobio.__all__) == sorted(PUBLIC.split())
    assert sorted(blobio.aio.__all__) == [
        "AsyncCompressedReader",
        "AsyncCompressedWriter",
        "AsyncContext",
        "AsyncReader",
        "AsyncWriter",
    ]


def test_every_public_name_exists() -> None:
    for name in blobio.__all__:
        assert hasattr(blobio, name), name


def test_every_name_of_blobfile_is_public() -> None:
    assert set(BLOBFILE.split()) <= set(blobio.__all__)


def _run(code: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("statement", ["import blobio", "import blobio.aio"])
def test_import_loads_no_client_and_no_sdk(statement: str) -> None:
    loaded = _run(f"import sys; {statement}; print(*sorted(sys.modules))").split()

    heavy = {
        "aiohttp", "azure", "boto3", "botocore", "fsspec", "google.auth", "google.cloud",
        "multiprocessing", "pyarrow", "requests", "urllib3",
    }  # fmt: skip
    assert not heavy & {".".join(name.split(".")[:depth]) for name in loaded for depth in (1, 2)}


def test_import_is_quick() -> None:
    """The best of several fresh interpreters, in CPU time: the others measure the neighbours.

    On a machine that is busy or slow the limit grows with what the standard library's part costs.
    """
    code = """
import time
start = time.process_time()
import contextlib, dataclasses, enum, re, threading, typing
middle = time.process_time()
import blobio
print((middle - start) * 1000, (time.process_time() - start) * 1000)
"""
    measured = [_run(code).split() for _ in range(7)]
    library_ms, total_ms = min((float(total), float(part)) for part, total in measured)[::-1]
    slowness = max(1.0, library_ms / LIBRARY_MS)

    assert total_ms < MAX_IMPORT_MS * slowness
