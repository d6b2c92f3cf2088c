"""Datasets of a strict Hub: what they are, their splits and files, the conversion, all pinned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from blobio import Context
from blobio.config import Config
from blobio.dataset import hub
from blobio.dataset.hubcard import BadCard, Count
from blobio.errors import (
    InvalidConfig,
    InvalidUrl,
    NotFound,
    PermissionDenied,
    TransportFailed,
    Unauthenticated,
    Unsupported,
)
from blobio.testing.strict_hub import HubRepo, HubViewer, StrictHub, strict_hub

NAME: Final = "org/name"
CARD: Final = b"""---
license: mit
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test
    path: main/test.parquet
- config_name: extra
  data_dir: extra
dataset_info:
- config_name: main
  splits:
  - {name: train, num_examples: 7473, num_bytes: 3963202}
  - {name: test, num_examples: 1319, num_bytes: 713732}
---
# Grade school math
"""
FILES: Final[dict[str, bytes | None]] = {
    "README.md": CARD,
    "main/train-00000-of-00002.parquet": b"PAR1 0",
    "main/train-00001-of-00002.parquet": b"PAR1 01",
    "main/test.parquet": b"PAR1 test",
    "extra/all.csv": b"a\n1\n",
}


@pytest.fixture(scope="module")
def running() -> Iterator[StrictHub]:
    with strict_hub() as server:
        yield server


@pytest.fixture(name="server")
def fixture_server(running: StrictHub) -> StrictHub:
    """A Hub without datasets."""
    running.hook = None
    running.service.datasets.clear()
    running.service.page_entries = 2
    running.requests.clear()
    running.seen.clear()
    return running


@pytest.fixture(name="repo")
def fixture_repo(server: StrictHub) -> HubRepo:
    repo = server.make_dataset(NAME)
    repo.commit(FILES)
    return repo


@pytest.fixture(name="config")
def fixture_config(server: StrictHub) -> Config:
    return server.config()


def test_info_tells_what_hub_and_card_say(repo: HubRepo, config: Config) -> None:
    repo.gated = "auto"
    repo.granted.add("hf_known")
    known = replace(config, hub=replace(config.hub, token="hf_known"))

    with pytest.raises(Unauthenticated, match="gated"):
        hub.dataset_info(NAME, config=config)
    with pytest.raises(Unauthenticated, match="does not know the token"):
        hub.dataset_info(NAME, config=known)
    repo.gated = False
    info = hub.dataset_info(NAME, config=config)

    assert info == hub.DatasetInfo(
        id=NAME,
        commit=repo.refs["main"],
        tags=("license:mit",),
        downloads=17,
        likes=3,
        last_modified="2026-11-28T09:00:00.000Z",
        license="mit",
        subsets=("main", "extra"),
        counts={"main": {"train": Count(7473, 3963202), "test": Count(1319, 713732)}},
    )


def test_splits_of_the_card_with_their_counts(
    server: StrictHub, repo: HubRepo, config: Config
) -> None:
    found = hub.splits(NAME, subset="main", config=config)

    at = f"hf://datasets/{NAME}@{repo.refs['main']}"
    assert list(found) == ["train", "test"]
    train = found["train"]
    assert (train.num_rows, train.num_bytes, train.is_converted) == (7473, 3963202, False)
    assert [(file.size, file.url) for file in train.files] == [
        (6, f"{at}/main/train-00000-of-00002.parquet"),
        (7, f"{at}/main/train-00001-of-00002.parquet"),
    ]
    assert (
        found["test"].files[0].version
        == repo.commits[repo.refs["main"]]["main/test.parquet"].sha256
    )
    assert server.requests == {"info": 1, "resolve": 2, "tree": 4}


def test_shards_can_be_read_and_are_of_one_commit(repo: HubRepo, config: Config) -> None:
    shards = hub.hub_shards(NAME, "train", subset="main", config=config)
    repo.commit({"main/train-00001-of-00002.parquet": b"another"})

    with Context(config) as context:
        assert [context.read_bytes(url) for url in shards] == [b"PAR1 0", b"PAR1 01"]
    assert hub.hub_shards(NAME, subset="extra", config=config) == [
        f"hf://datasets/{NAME}@{repo.refs['main']}/extra/all.csv"
    ]


def test_branch_that_moves_while_splits_are_looked_up_mixes_nothing(
    server: StrictHub, repo: HubRepo, config: Config
) -> None:
    first = repo.refs["main"]
    asked = 0

    def hook(_: object) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            repo.commit({"main/train-00002-of-00003.parquet": b"", "README.md": None})

    server.hook = hook

    shards = hub.hub_shards(NAME, subset="main", config=config)

    assert asked > 2
    assert len(shards) == 3
    assert all(f"@{first}/" in url for url in shards)


@pytest.mark.parametrize(
    "name", [NAME, f"hf://datasets/{NAME}", f"hf://datasets/{NAME}/", f"hf://datasets/{NAME}@main"]
)
def test_dataset_has_several_names(repo: HubRepo, config: Config, name: str) -> None:
    assert hub.dataset_info(name, config=config).commit == repo.refs["main"]


def test_revision_with_a_slash(repo: HubRepo, config: Config) -> None:
    sha = repo.commit({"a/0.parquet": b"x"}, ref="refs/convert/parquet")

    for name, revision in ((NAME, "refs/convert/parquet"), (f"{NAME}@refs/convert/parquet", None)):
        files = hub.list_files(name, revision=revision, config=config)
        assert [file.url for file in files] == [f"hf://datasets/{NAME}@{sha}/a/0.parquet"]


def test_files_are_listed_in_order_below_a_directory(repo: HubRepo, config: Config) -> None:
    del repo
    files = hub.list_files(NAME, config=config)

    assert [file.path for file in files] == sorted(FILES)
    assert [file.path for file in hub.list_files(NAME, directory="extra", config=config)] == [
        "extra/all.csv"
    ]
    assert hub.list_files(NAME, directory="nothing/", config=config) == []


def test_dataset_without_a_card_goes_by_names(server: StrictHub, config: Config) -> None:
    repo = server.make_dataset("org/plain")
    repo.commit({"data/test-00000-of-00001.csv": b"", "data/train-00000-of-00001.csv": b"a"})

    found = hub.splits("org/plain", config=config)

    assert list(found) == ["train", "test"]
    assert found["train"].num_rows is None


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        (NAME, {"subset": "main", "split": "dev"}, (NotFound, "its splits are train, test")),
        (NAME, {"subset": "other"}, (NotFound, "its subsets are main, extra")),
        (NAME, {}, (NotFound, "several subsets")),
        (NAME, {"revision": "nothing"}, (NotFound, "no such branch")),
        ("org/nothing", {}, (Unauthenticated, "no such dataset, or it is private")),
        ("name", {}, (InvalidUrl, "namespace/name")),
        (f"{NAME}@main", {"revision": "main"}, (InvalidConfig, "names its revision, and so does")),
        (f"{NAME}/main/test.parquet", {}, (InvalidConfig, "names a file")),
        ("memory://bucket", {}, (Unsupported, "no dataset of the Hugging Face Hub")),
        ("hf://models/org/name", {}, (Unsupported, "only datasets")),
    ],
)
def test_what_is_not_there_is_named(
    repo: HubRepo,
    config: Config,
    name: str,
    arguments: dict[str, str],
    told: tuple[type[Exception], str],
) -> None:
    del repo
    error, words = told
    with pytest.raises(error, match=words):
        hub.hub_shards(name, config=config, **arguments)  # type: ignore[arg-type]  # all are text


def test_card_that_cannot_be_understood_is_told(repo: HubRepo, config: Config) -> None:
    repo.commit({"README.md": b"---\nconfigs: [\n---\n"})

    with pytest.raises(BadCard, match="no YAML"):
        hub.splits(NAME, config=config)


def test_offline_is_refused_at_once(server: StrictHub, repo: HubRepo, config: Config) -> None:
    del repo
    offline = replace(config, hub=replace(config.hub, offline=True))

    with pytest.raises(TransportFailed, match="while offline"):
        hub.hub_shards(NAME, config=offline)
    assert not server.requests


# The Hub's own conversion


def convert(repo: HubRepo) -> HubViewer:
    """Give a dataset of files that are not read here a conversion of its commit."""
    commit = repo.commit(
        {"README.md": None, **{path: None for path in FILES if path[-3:] != ".md"}}
    )
    commit = repo.commit({"images.zip": b"PK", "script.py": b""})
    repo.commit(
        {
            "default/train/0000.parquet": b"PAR1",
            "default/train/0001.parquet": b"PAR1+",
            "default/test/0000.parquet": b"PAR1 t",
        },
        ref="refs/convert/parquet",
    )
    viewer = HubViewer(
        revision=commit,
        files=[
            ("default", "train", "0000.parquet", 4),
            ("default", "train", "0001.parquet", 5),
            ("default", "test", "0000.parquet", 6),
        ],
    )
    repo.viewer = viewer
    return viewer


def test_conversion_stands_for_files_that_are_not_read_here(
    server: StrictHub, repo: HubRepo, config: Config
) -> None:
    convert(repo)

    found = hub.splits(NAME, config=config)

    at = f"hf://datasets/{NAME}@{repo.refs['refs/convert/parquet']}"
    assert [file.url for file in found["train"].files] == [
        f"{at}/default/train/0000.parquet",
        f"{at}/default/train/0001.parquet",
    ]
    assert found["test"].is_converted
    assert server.requests["viewer.parquet"] == 1
    with Context(config) as context:
        assert context.read_bytes(found["test"].files[0].url) == b"PAR1 t"


def test_conversion_may_be_wanted_or_not(repo: HubRepo, config: Config) -> None:
    convert(repo)
    repo.commit({"train.csv": b"a\n1\n"})
    assert repo.viewer is not None
    repo.viewer.revision = repo.refs["main"]

    plain = hub.splits(NAME, config=config)
    wanted = hub.splits(NAME, converted=True, config=config)

    assert [file.path for file in plain["train"].files] == ["train.csv"]
    assert wanted["train"].is_converted
    repo.commit({"train.csv": None})
    with pytest.raises(Unsupported, match="none of its 2 files"):
        hub.splits(NAME, converted=False, config=config)


def _spoil(viewer: HubViewer, repo: HubRepo, how: str) -> None:
    match how:
        case "another commit":
            repo.commit({"images.zip": b"PK new"})
        case "a part only":
            viewer.partial = True
        case "pending":
            viewer.pending.append({"config": "b"})
        case "failed":
            viewer.failed.append({"config": "b"})
        case "unknown":
            repo.viewer = None
        case "no files":
            viewer.files.clear()
        case "replaced":
            repo.commit({"default/test/0000.parquet": b"PAR"}, ref="refs/convert/parquet")
        case _:
            del repo.refs["refs/convert/parquet"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("another commit", "is of [0-9a-f]{40}, not of [0-9a-f]{40}"),
        ("a part only", "of a part only"),
        ("pending", "some of it is pending"),
        ("failed", "some of it is failed"),
        ("unknown", "the viewer does not know it"),
        ("no files", "it has no files"),
        ("replaced", "the conversion was replaced"),
        ("no branch", "no branch refs/convert/parquet"),
    ],
)
def test_conversion_that_stands_for_something_else_is_refused(
    repo: HubRepo, config: Config, how: str, words: str
) -> None:
    _spoil(convert(repo), repo, how)

    with pytest.raises(Unsupported, match=words):
        hub.splits(NAME, config=config)


def test_subset_of_a_conversion(repo: HubRepo, config: Config) -> None:
    viewer = convert(repo)
    viewer.files[:] = [("a", "train", "0.parquet", 1), ("b", "train", "0.parquet", 2)]
    repo.commit({"b/train/0.parquet": b"bb"}, ref="refs/convert/parquet")

    assert hub.splits(NAME, subset="b", converted=True, config=config)["train"].files[0].size == 2
    for subset in (None, "c"):
        with pytest.raises(NotFound, match="its subsets are a, b"):
            hub.splits(NAME, subset=subset, converted=True, config=config)


def test_private_dataset_needs_its_token_for_everything(
    server: StrictHub, repo: HubRepo, config: Config
) -> None:
    repo.private = True
    repo.readers.add(server.make_token("hf_member"))
    server.make_token("hf_stranger")

    with pytest.raises(Unauthenticated):
        hub.list_files(NAME, config=config)
    with pytest.raises(NotFound):
        hub.list_files(NAME, config=server.config("hf_stranger"))
    assert len(hub.hub_shards(NAME, subset="main", config=server.config("hf_member"))) == 3
    repo.disabled = True
    with pytest.raises(PermissionDenied, match="disabled"):
        hub.dataset_info(NAME, config=server.config("hf_member"))
