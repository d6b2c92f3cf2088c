"""The clients of Hugging Face: the strict Hub serves them, and they choose files as we do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import huggingface_hub as theirs
import pytest
from datasets import data_files
from huggingface_hub import errors
from tqdm import tqdm

from blobio.dataset import hub
from blobio.dataset.hubcard import Subset
from blobio.dataset.hubchoice import choose_files
from blobio.testing.strict_hub import HubRepo, StrictHub, strict_hub

NAME: Final = "org/name"
CARD: Final = b"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: rows/train-*
  - split: test
    path: rows/test.csv
---
"""
FILES: Final[dict[str, bytes | None]] = {
    "README.md": CARD,
    "rows/train-0.csv": b"a,b\n1,x\n2,y\n",
    "rows/train-1.csv": b"a,b\n3,z\n",
    "rows/test.csv": b"a,b\n4,w\n",
}


@pytest.fixture(autouse=True)
def no_watch_on_progress_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a thread that outlives the test."""
    monkeypatch.setattr(tqdm, "monitor_interval", 0)


@pytest.fixture(name="server")
def fixture_server() -> Iterator[StrictHub]:
    with strict_hub() as server:
        server.service.page_entries = 2
        yield server
        theirs.close_session()  # its connections would outlive the test


@pytest.fixture(name="repo")
def fixture_repo(server: StrictHub) -> HubRepo:
    repo = server.make_dataset(NAME)
    repo.commit(FILES, lfs=True)
    repo.commit({"README.md": CARD}, lfs=False)
    return repo


def test_their_api_understands_the_strict_hub(server: StrictHub, repo: HubRepo) -> None:
    api = theirs.HfApi(endpoint=server.url, token=False)
    repo.commit({"default/train/0000.parquet": b"x"}, ref="refs/convert/parquet")

    info = api.dataset_info(NAME)
    tree = api.list_repo_tree(NAME, repo_type="dataset", recursive=True)
    expanded = list(api.list_repo_tree(NAME, "rows", repo_type="dataset", expand=True))
    paths = api.get_paths_info(NAME, ["rows/test.csv", "nothing"], repo_type="dataset")
    refs = api.list_repo_refs(NAME, repo_type="dataset")

    assert info.sha == repo.refs["main"]
    ours = hub.list_files(NAME, config=server.config())
    sizes = {each.path: each.size for each in tree if isinstance(each, theirs.RepoFile)}
    assert sizes == {file.path: file.size for file in ours}
    assert all(each.last_commit.date for each in expanded)
    assert [(each.path, each.lfs.sha256) for each in paths] == [
        (file.path, file.version) for file in ours if file.path == "rows/test.csv"
    ]
    assert [each.ref for each in refs.converts] == ["refs/convert/parquet"]


def test_their_downloads_have_our_bytes(
    server: StrictHub, repo: HubRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(theirs.constants, "HF_HUB_DISABLE_XET", True)
    member = server.make_token("hf_member")
    repo.private = True
    repo.readers.add(member)

    for path, data in FILES.items():
        found = theirs.hf_hub_download(
            NAME,
            path,
            repo_type="dataset",
            endpoint=server.url,
            token=member,
            cache_dir=tmp_path,
        )
        assert Path(found).read_bytes() == data
    assert server.requests["deliver"] == 3


def test_their_errors_are_those_of_the_codes(server: StrictHub, repo: HubRepo) -> None:
    other = server.make_token("hf_other")
    anonymous = theirs.HfApi(endpoint=server.url, token=False)
    known = theirs.HfApi(endpoint=server.url, token=other)

    for api in (anonymous, known):
        with pytest.raises(errors.RepositoryNotFoundError):
            api.dataset_info("org/nothing")
    with pytest.raises(errors.RevisionNotFoundError):
        known.dataset_info(NAME, revision="nothing")
    with pytest.raises(errors.EntryNotFoundError):
        list(known.list_repo_tree(NAME, "nothing", repo_type="dataset"))
    repo.gated = "manual"
    url = theirs.hf_hub_url(NAME, "README.md", repo_type="dataset", endpoint=server.url)
    for token in (False, other):
        with pytest.raises(errors.GatedRepoError):
            theirs.get_hf_file_metadata(url, token=token, endpoint=server.url)
    repo.disabled = True
    with pytest.raises(errors.DisabledRepoError):
        known.dataset_info(NAME)


_LOAD: Final = """
import datasets, json, sys
datasets.disable_progress_bars()
found = datasets.load_dataset(sys.argv[1], token=False)
print(json.dumps({split: table["a"][:] for split, table in found.items()}))
"""


@pytest.mark.slow
def test_their_load_dataset_reads_the_strict_hub(
    server: StrictHub, repo: HubRepo, tmp_path: Path
) -> None:
    """In a process of its own: they read the endpoint when they are imported."""
    del repo
    env = {**os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path)}
    env |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "0"}

    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", _LOAD, NAME], env=env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"train": [1, 2, 3], "test": [4]}
    ours = hub.splits(NAME, config=server.config())
    assert {name: len(split.files) for name, split in ours.items()} == {"train": 2, "test": 1}


LAYOUTS: Final = {
    "sharded": ["data/train-00000-of-00002.csv", "data/train-00001-of-00002.csv", "train.csv"],
    "odd splits": ["data/a_b-00000-of-00001.csv", "data/c.d-00000-of-00001-0a1b.csv"],
    "directories": ["train/a.csv", "my-val/test.csv", "b/testing_2/d.csv", "e/train.csv"],
    "names": ["train.csv", "x/dev.csv", "a.val.csv", "eval 1.csv", "other.csv"],
    "words within words": ["latest.csv", "devices.csv", "retrain.csv"],
    "digits": ["train1.csv", "2test.csv", "validation10/x.csv"],
    "hidden": [".cache/a.csv", "__x/b.csv", "c.csv", "d/.e.csv"],
    "upper case": ["TRAIN.csv", "Test.csv"],
    "deep": ["a/b/c/train/d/e.csv", "a/b/c/f.csv"],
    "word at the end of a directory": ["data-train/a.csv", "data_test/b.csv", "dataval/c.csv"],
    "one": ["x.csv"],
}


@pytest.mark.parametrize("paths", LAYOUTS.values(), ids=LAYOUTS)
def test_files_are_chosen_by_names_as_they_do(paths: list[str], tmp_path: Path) -> None:
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"a\n1\n")

    patterns = data_files.get_data_patterns(str(tmp_path))
    found: Any = data_files.DataFilesDict.from_patterns(patterns, base_path=str(tmp_path))

    wanted = {
        str(split): sorted(os.path.relpath(file, tmp_path) for file in files)
        for split, files in found.items()
    }
    ours = choose_files(Subset(name="default"), paths, "s")
    assert {split: sorted(files) for split, files in ours.items()} == wanted


PATTERNS: Final = (
    *("a.csv", "*.csv", "**", "**/*", "**/*.csv", "*/a.csv", "d*/a.csv", "**/deep/**"),
    *("data", "data/", "data/*", "data/**", "data/**/y.csv", "data/train[0-9].csv"),
    *("data/train[0-9]*", "data/train?.csv", "data/train[!0-9].csv", ".h/*", "data/.h.csv"),
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_of_a_card_match_as_theirs_do(pattern: str, tmp_path: Path) -> None:
    paths = [
        *("a.csv", "data/a.csv", "data/train1.csv", "data/train12.csv", "data/deep/er/y.csv"),
        *(".h/z.csv", "data/.h.csv", "data/__p/q.csv", "train-0.csv", "data/deep/x.csv"),
    ]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    subset = Subset(name="x", patterns={"train": (pattern,)})

    try:
        found = data_files.resolve_pattern(pattern, str(tmp_path))
    except FileNotFoundError:
        with pytest.raises(FileNotFoundError):
            choose_files(subset, paths, "s")
        return
    wanted = sorted(os.path.relpath(path, tmp_path) for path in found)
    assert sorted(choose_files(subset, paths, "s")["train"]) == wanted
