"""A journal reads as it was written, or counts as none; and only one process holds its place."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from blobio.core.journal import Journal, Journals, described
from blobio.drivers.resumable import SentPart
from blobio.errors import ConcurrentWrite, PermissionDenied, RequestFailed
from blobio.values import CreateOnly, PartToken, PutOptions, ReplaceIf, Version

JOURNAL: Final = Journal(
    source="/home/me/big \udcff",  # a path that is no UTF-8
    target="s3://bucket/big",
    size=25,
    version="1-25-3",
    options=described(PutOptions(metadata={"a": "b"})),
    part_bytes=10,
    state={"upload_id": "id"},
    parts={
        0: SentPart(0, 10, 7, PartToken("one")),
        2: SentPart(20, 5, 8, PartToken("three")),
    },
)


def test_a_journal_reads_as_it_was_written(tmp_path: Path) -> None:
    slot = Journals(str(tmp_path / "state")).slot("source", "target")

    with slot.held("target"):
        slot.save(JOURNAL)

    assert slot.load() == JOURNAL
    assert [found.load() for found in Journals(str(tmp_path / "state")).slots()] == [JOURNAL]
    assert stat.S_IMODE(Path(slot.name).stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(slot.name).parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", "25"),
        ("size", -1),
        ("size", 24),
        ("part_bytes", 0),
        ("part_bytes", True),
        ("state", ["id"]),
        ("state", {"upload_id": 1}),
        ("options", None),
        ("parts", []),
        ("parts", {"x": [10, 7, "one"]}),
        ("parts", {"0": [10, 7]}),
        ("parts", {"0": [11, 7, "one"]}),
        ("parts", {"3": [10, 7, "one"]}),
        ("parts", {"-1": [10, 7, "one"]}),
        ("parts", {"0": [10, None, "one"]}),
        ("more", 1),
    ],
)
def test_a_journal_that_means_nothing_counts_as_none(name: str, value: object) -> None:
    fields = json.loads(JOURNAL.dump())

    assert Journal.load(json.dumps(fields | {name: value}).encode()) is None


def test_another_version_of_the_format_counts_as_none() -> None:
    fields = json.loads(JOURNAL.dump())

    assert Journal.load(json.dumps(fields | {"v": 2}).encode()) is None


def test_a_link_in_the_place_of_a_journal_is_not_followed(tmp_path: Path) -> None:
    slot = Journals(str(tmp_path)).slot("source", "target")
    (tmp_path / "elsewhere").write_bytes(JOURNAL.dump())
    Path(slot.name).symlink_to(tmp_path / "elsewhere")

    assert slot.load() is None


def test_a_place_is_held_by_one(tmp_path: Path) -> None:
    slot = Journals(str(tmp_path)).slot("source", "target")

    with slot.held("target"), pytest.raises(ConcurrentWrite), slot.held("target"):
        pass  # pragma: no cover - never entered

    with slot.held("target"):
        assert slot.is_held()
        assert slot.written_at() == 0.0
    assert not slot.is_held()


def test_nothing_stays_where_no_journal_was_left(tmp_path: Path) -> None:
    slot = Journals(str(tmp_path)).slot("source", "target")

    with slot.held("target"):
        slot.save(JOURNAL)
        slot.remove()

    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    slot = Journals(str(tmp_path / "file")).slot("source", "target")

    with pytest.raises(RequestFailed, match="no journal can be kept"), slot.held("target"):
        pass  # pragma: no cover - never entered
    assert Journals(str(tmp_path / "file")).slots() == []


def test_pairs_have_places_of_their_own(tmp_path: Path) -> None:
    journals = Journals(str(tmp_path))

    slots = {journals.slot(source, target) for source in "ab" for target in "ab"}

    assert len(slots) == 4


def test_what_is_written_is_described_with_its_condition() -> None:
    options = PutOptions(content_type="text/plain", metadata={"b": "2", "a": "1"})

    descriptions = [
        tuple(described(replace(options, mode=mode)).items())
        for mode in (CreateOnly(), ReplaceIf(Version("1")), ReplaceIf(Version("2")))
    ]

    assert len(set(descriptions)) == 3
    assert dict(descriptions[1]) == {
        "mode": "ReplaceIf 1",
        "content_type": "text/plain",
        "metadata a": "1",
        "metadata b": "2",
    }


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_lies_where_a_journal_is_written_is_not_written_to(tmp_path: Path, kind: str) -> None:
    slot = Journals(str(tmp_path)).slot("source", "target")
    other, place = tmp_path / "other", Path(slot.path + ".new")
    other.write_text("precious")
    if kind == "link":
        place.symlink_to(other)
    else:
        place.hardlink_to(other)

    with slot.held("target"):
        slot.save(JOURNAL)

    assert slot.load() == JOURNAL
    assert other.read_text() == "precious"


def test_a_directory_that_cannot_be_listed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.listdir", refuse)

    with pytest.raises(PermissionDenied, match="cannot be listed"):
        Journals(str(tmp_path)).slots()
