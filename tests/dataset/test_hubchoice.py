"""Which files are rows, and of which split."""

from __future__ import annotations

import pytest

from blobio.dataset.hubcard import BadCard, Subset
from blobio.dataset.hubchoice import choose_files, choose_subset, format_of
from blobio.errors import NotFound, Unsupported

BY_NAME = Subset(name="default")


def chosen(*paths: str, subset: Subset = BY_NAME) -> dict[str, list[str]]:
    return {
        split: list(found)
        for split, found in choose_files(subset, paths, "hf://datasets/org/name").items()
    }


def test_sharded_names_tell_any_split_and_leave_out_the_rest() -> None:
    assert chosen(
        "data/extra_split-00000-of-00001-0123abc.parquet",
        "data/test-00000-of-00001.parquet",
        "data/train-00001-of-00002.parquet",
        "data/train-00000-of-00002.parquet",
        "train.parquet",
        "README.md",
    ) == {
        "train": ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
        "test": ["data/test-00000-of-00001.parquet"],
        "extra_split": ["data/extra_split-00000-of-00001-0123abc.parquet"],
    }


def test_directories_come_before_names() -> None:
    assert chosen("train/a.csv", "my-val/test.csv", "b/c/testing_2/d.csv", "e/train.csv") == {
        "train": ["train/a.csv"],
        "validation": ["my-val/test.csv"],
        "test": ["b/c/testing_2/d.csv"],
    }


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.csv", "train"),
        ("training_set.csv", "train"),
        ("my-train-1.csv", "train"),
        ("x/dev.csv", "validation"),
        ("valid2.csv", "validation"),
        ("a.val.csv", "validation"),
        ("evaluation.jsonl", "test"),
        ("eval 1.csv", "test"),
        ("1test.csv", "test"),
    ],
)
def test_word_in_a_name_tells_the_split(name: str, split: str) -> None:
    assert chosen(name, "other.csv") == {split: [name]}


@pytest.mark.parametrize(
    "name", ["trained.csv", "latest.csv", "devices.csv", "retrain.csv", "a.csv"]
)
def test_word_within_a_word_tells_nothing(name: str) -> None:
    assert chosen(name) == {"train": [name]}


def test_hidden_and_describing_files_are_no_rows_unless_named() -> None:
    paths = (".cache/a.csv", "__x/b.csv", "config.json", "dataset_infos.json", "c.csv", "d/.e.csv")

    assert chosen(*paths) == {"train": ["c.csv"]}
    named = Subset(name="x", patterns={"train": (".cache/*.csv", "**/*.csv")})
    assert chosen(*paths, subset=named) == {"train": [".cache/a.csv", "c.csv"]}
    literal = Subset(name="x", patterns={"train": ("config.json",)})
    assert chosen(*paths, subset=literal) == {"train": ["config.json"]}


def test_format_that_most_files_have_is_taken() -> None:
    assert chosen("a.csv", "b.csv.gz", "c.parquet", "d.zip", "LICENSE") == {
        "train": ["a.csv", "b.csv.gz"]
    }
    assert chosen("a.csv", "b.parquet") == {"train": ["a.csv"]}
    assert chosen("a.zip", "b.txt", "script.py") == {}
    assert chosen() == {}


def test_patterns_choose_in_their_order_and_each_file_once() -> None:
    subset = Subset(
        name="x",
        directory="en/",
        patterns={"test": ("b*", "*.csv"), "train": ("deep/**",)},
    )

    found = chosen("en/b.csv", "en/a.csv", "fr/b.csv", "en/deep/er/c.csv", "b.csv", subset=subset)

    assert found == {"test": ["en/b.csv", "en/a.csv"], "train": ["en/deep/er/c.csv"]}


def test_pattern_that_matches_nothing_is_an_error() -> None:
    """It would be a split that is missing without a word."""
    subset = Subset(name="x", patterns={"train": ("a.csv",), "test": ("b.csv", "z*")})

    with pytest.raises(NotFound, match=r"subset x, split test: the card names 'z\*'"):
        chosen("a.csv", "b.csv", subset=subset)


def test_pattern_that_means_too_much_is_an_error() -> None:
    subset = Subset(name="x", patterns={"train": ("{a,b}" * 20,)})

    with pytest.raises(BadCard, match="more than 1000 alternatives"):
        chosen("a.csv", subset=subset)


def test_splits_of_different_formats_are_an_error() -> None:
    subset = Subset(name="x", patterns={"train": ("*.csv",), "test": ("b.zip",)})

    with pytest.raises(Unsupported, match="split test has no files of the format of the others"):
        chosen("train.csv", "test.jsonl")
    with pytest.raises(Unsupported, match="split test"):
        chosen("a.csv", "b.zip", subset=subset)
    assert chosen("train.csv", "test.zip") == {"train": ["train.csv"]}


def test_names_below_a_directory() -> None:
    assert chosen("en/test.csv", "train.csv", subset=Subset(name="x", directory="en/")) == {
        "test": ["en/test.csv"]
    }


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.parquet", "parquet"),
        ("a.b/c.JSONL", "ndjson"),
        ("a.json.zst", "ndjson"),
        ("a.csv.gz", "csv"),
        ("a.gz", None),
        ("parquet", None),
        ("a.parquet/b", None),
        ("", None),
    ],
)
def test_format_goes_by_the_name(path: str, kind: str | None) -> None:
    assert format_of(path) == kind


def test_subset_that_is_meant() -> None:
    a, b, default = Subset(name="a"), Subset(name="b", is_default=True), Subset(name="default")

    assert choose_subset([], None, "s") == BY_NAME
    assert choose_subset([], "default", "s") == BY_NAME
    assert choose_subset([a], None, "s") is a
    assert choose_subset([a, b, default], None, "s") is b
    assert choose_subset([a, default], None, "s") is default
    assert choose_subset([a, b], "a", "s") is a


@pytest.mark.parametrize(
    ("subsets", "name", "words"),
    [
        (["a", "c"], None, "several subsets, and none is the default; its subsets are a, c"),
        (["a", "c"], "d", "no subset 'd'; its subsets are a, c"),
        ([], "d", "no subset 'd'; its subsets are default"),
    ],
)
def test_subset_that_cannot_be_told_is_an_error_with_the_names(
    subsets: list[str], name: str | None, words: str
) -> None:
    with pytest.raises(NotFound, match=words):
        choose_subset([Subset(name=each) for each in subsets], name, "s")
