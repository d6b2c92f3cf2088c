"""What a card says of its files, in every form that cards have."""

from __future__ import annotations

import importlib.util

import pytest

from blobio.dataset.hubcard import BadCard, Card, Count, Subset, parse_card
from blobio.errors import Unsupported


def card(head: str) -> Card:
    return parse_card(f"---\n{head}\n---\n# Title\n", "hf://datasets/org/name/README.md")


@pytest.mark.parametrize("text", ["", "# Title", "text\n---\nlicense: mit\n---\n", "---\n---\n"])
def test_readme_without_a_head_says_nothing(text: str) -> None:
    assert parse_card(text, "s") == Card()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_head_ends_at_its_line(newline: str) -> None:
    text = newline.join(["\ufeff---", "license: mit", "---", "configs: [", "---", ""])

    assert parse_card(text, "s") == Card(license="mit")


def test_license_may_be_several() -> None:
    assert card("license: [mit, apache-2.0]").license == "mit, apache-2.0"


@pytest.mark.parametrize(
    ("files", "patterns"),
    [
        ("data_files: a.csv", {"train": ("a.csv",)}),
        ("data_files: [a.csv, 'b/*.csv']", {"train": ("a.csv", "b/*.csv")}),
        (
            "data_files: [{split: train, path: a*}, {split: test, path: [b, c]}]",
            {"train": ("a*",), "test": ("b", "c")},
        ),
        (
            "data_files: [{split: train, path: a}, {split: train, path: ./b}]",
            {"train": ("a", "b")},
        ),
        (
            "data_files: {train: a, validation.easy: [b]}",
            {"train": ("a",), "validation.easy": ("b",)},
        ),
        ("data_files: [{split: 2024, path: a}]", {"2024": ("a",)}),
        ("data_dir: en", None),
    ],
)
def test_forms_of_data_files(files: str, patterns: object) -> None:
    found = card(f"configs:\n- config_name: x\n  {files}")

    assert found.subsets[0].patterns == patterns
    assert found.subsets[0].directory == ("en/" if patterns is None else "")


def test_subsets_keep_their_order_and_names() -> None:
    found = card("configs:\n- config_name: b\n- config_name: 7\n  default: true\n- data_dir: ./c/")

    assert found.subsets == (
        Subset(name="b"),
        Subset(name="7", is_default=True),
        Subset(name="default", directory="c/"),
    )


def test_counts_of_one_subset_or_several() -> None:
    one = card("dataset_info:\n  splits:\n  - {name: train, num_examples: 3, num_bytes: 9}")
    two = card(
        "dataset_info:\n- config_name: a\n  splits: [{name: test, num_examples: 1}]\n"
        "- config_name: b\n  features: []"
    )

    assert one.counts == {"default": {"train": Count(3, 9)}}
    assert two.counts == {"a": {"test": Count(1, None)}, "b": {}}


@pytest.mark.parametrize(
    "head",
    [
        "license: [",
        "- a list",
        "configs: [7]",
        "configs: [{data_files: []}]",
        "configs: [{data_files: [{split: train}]}]",
        "configs: [{data_files: [{split: 'a b', path: c}]}]",
        "configs: [{data_files: [{split: train, path: {}}]}]",
        "configs: [{data_files: /etc/passwd}]",
        "configs: [{data_files: ../../other}]",
        "configs: [{data_files: 'https://thief.example/a.csv'}]",
        "configs: [{data_files: 'hf://datasets/other/name/a.csv'}]",
        "configs: [{data_dir: ../other}]",
        "dataset_info: {splits: [{num_examples: 3}]}",
        "a: !!python/object/apply:os.system ['true']",
        "[" * 3000,
    ],
)
def test_card_that_makes_no_sense_is_an_error_of_its_own(head: str) -> None:
    with pytest.raises(BadCard, match="hf://datasets/org/name"):
        card(head)


def test_count_that_is_none_is_left_out() -> None:
    found = card("dataset_info: {splits: [{name: a, num_examples: many, num_bytes: -1}]}")

    assert found.counts == {"default": {"a": Count(None, None)}}


def test_without_yaml_the_command_to_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    assert parse_card("# no head", "s") == Card()
    with pytest.raises(Unsupported, match=r"pip install 'blobio\[hub\]'"):
        card("license: mit")
