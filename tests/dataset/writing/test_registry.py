"""A registry in each store: versions are never lost, never changed, and found without a listing."""

from __future__ import annotations

import json
import pickle
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blobio import AlreadyExists, NotFound, Unsupported, VersionMismatch
from blobio.dataset import (
    Block,
    Cache,
    DatasetConfig,
    Manifest,
    ManifestError,
    Registry,
    Shard,
    Split,
    find_manifest,
    split_of,
)
from blobio.values import Version
from tests.dataset.conftest import Make, Place
from tests.dataset.writing.conftest import SCHEMA


def _manifest(rows: int = 10, **fields: Any) -> Manifest:
    shards = tuple(
        Shard(
            url=f"s3://elsewhere/{number}.parquet",
            size=100,
            version=Version("v"),
            format="parquet",
            blocks=(Block(rows, 4, 90),),
        )
        for number in range(2)
    )
    values: dict[str, Any] = {"splits": {"train": Split(0, 1), "test": Split(1, 2)}} | fields
    return Manifest(schema=SCHEMA, shards=shards, **values)


def _registry(place: Place) -> Registry:
    return Registry(place.at("registry"), config=place.config)


@pytest.fixture(params=["memory", "local", "moto", "gcs", "azurite"])
def deciding(request: pytest.FixtureRequest, make_place: Make) -> Place:
    """A place whose server looks at conditions, which that of rclone does not."""
    return make_place(request.param)


def test_versions_are_published_and_loaded(deciding: Place) -> None:
    registry = _registry(deciding)
    first, second = _manifest(1), _manifest(2, tags=("b",))

    registry.publish("org/set", first, version="1.0", license="mit", tags=["a"], description="d")
    card = registry.publish("org/set", second, version="1.1")

    assert registry.load("org/set", "1.0") == replace(
        first, license="mit", tags=("a",), description="d"
    )
    assert registry.load("org/set") == second
    assert registry.latest("org/set") == card
    assert (card.version, card.num_rows, card.num_bytes, card.tags) == ("1.1", 4, 200, ("b",))
    assert (card.columns, card.splits) == (("id", "text"), ("train", "test"))
    assert registry.versions("org/set") == ("1.0", "1.1")


def test_known_version_costs_one_request_and_the_latest_two(make_place: Make) -> None:
    place = make_place("moto")
    registry = _registry(place)
    registry.publish("set", _manifest(), version="1")
    place.methods()

    registry.load("set", "1")
    assert place.methods() == ["GET"]
    registry.load("set")
    assert place.methods() == ["GET", "GET"]


def test_version_is_never_changed(deciding: Place) -> None:
    registry = _registry(deciding)
    registry.publish("set", _manifest(1), version="1")

    with pytest.raises(AlreadyExists, match="versions never change"):
        registry.publish("set", _manifest(2), version="1")

    assert registry.load("set") == _manifest(1)


def test_publishing_goes_on_where_it_ended(memory: Place) -> None:
    """The publisher died between the version and the pointer."""
    registry = _registry(memory)
    registry.publish("set", _manifest(), version="1")
    memory.context.remove(memory.at("registry/datasets/set/latest.json"))
    assert registry.versions("set") == ("1",)
    assert registry.load("set", "1") == _manifest()
    assert registry.search() == ()

    registry.publish("set", _manifest(), version="1")

    assert registry.latest("set").version == "1"


def test_publisher_that_loses_the_race_is_told_and_loses_no_version(
    deciding: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one publishes between the look at the pointer and its move."""
    mine, other = _registry(deciding), _registry(deciding)
    mine.publish("set", _manifest(1), version="1")
    move = Registry._move

    def after_the_other(self: Registry, *arguments: Any) -> object:
        if self is mine:
            other.publish("set", _manifest(3), version="3")
        return move(self, *arguments)

    monkeypatch.setattr(Registry, "_move", after_the_other)
    with pytest.raises(VersionMismatch, match=r"set 2 is published.*set_latest"):
        mine.publish("set", _manifest(2), version="2")
    monkeypatch.undo()

    assert mine.versions("set") == ("1", "2", "3")
    assert mine.latest("set").version == "3"
    assert mine.set_latest("set", "2").version == "2"
    assert mine.load("set") == _manifest(2)


def test_of_many_publishers_of_one_version_one_wins(deciding: Place) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def publish(rows: int) -> None:
        registry = _registry(deciding)
        start.wait()
        try:
            registry.publish("set", _manifest(rows), version="1")
            outcomes.append("won")
        except AlreadyExists:
            outcomes.append("lost")

    threads = [threading.Thread(target=publish, args=(rows,)) for rows in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["lost", "lost", "lost", "won"]
    assert _registry(deciding).versions("set") == ("1",)


def test_datasets_are_listed_and_searched(place: Place) -> None:
    registry = _registry(place)
    assert registry.names() == ()
    registry.publish("gsm8k", _manifest(), version="1", tags=["math"], license="mit")
    registry.publish("org/mmlu", _manifest(), version="1", description="Questions of Exams")
    registry.publish("org/code", _manifest(), version="2", tags=["code", "math"])

    assert registry.names() == ("gsm8k", "org/code", "org/mmlu")
    assert [card.name for card in registry.search("math")] == ["gsm8k", "org/code"]
    assert [card.name for card in registry.search("MATH", "code")] == ["org/code"]
    assert [card.name for card in registry.search("exams")] == ["org/mmlu"]
    assert [card.name for card in registry.search("text")] == list(registry.names())


def test_what_is_missing_is_told_with_what_is_there(memory: Place) -> None:
    registry = _registry(memory)
    registry.publish("set", _manifest(), version="1")

    with pytest.raises(NotFound, match="has no set 2; its versions are 1"):
        registry.load("set", "2")
    with pytest.raises(NotFound, match="has no sett; its datasets are set"):
        registry.load("sett")


@pytest.mark.parametrize("name", ["", "a/b/c", "../x", "a b", "a/", "/a", ".a", "versions", "a..b"])
def test_name_that_is_none_is_refused(memory: Place, name: str) -> None:
    with pytest.raises(ValueError, match="NAME or ORG/NAME"):
        _registry(memory).publish(name, _manifest(), version="1")


@pytest.mark.parametrize("version", ["", "latest", "a/b", "..", "1 0"])
def test_version_that_is_none_is_refused(memory: Place, version: str) -> None:
    with pytest.raises(ValueError, match="a version is of"):
        _registry(memory).publish("set", _manifest(), version=version)


def test_store_without_conditions_is_refused_before_any_request(make_place: Make) -> None:
    place = make_place("rclone")
    config = replace(place.config, s3=replace(place.config.s3, conditional_writes=False))
    place.methods()

    with pytest.raises(Unsupported, match="cannot decide"):
        Registry(place.at("registry"), config=config).publish("set", _manifest(), version="1")

    assert place.methods() == []


def test_damaged_card_is_named(memory: Place) -> None:
    registry = _registry(memory)
    registry.publish("set", _manifest(), version="1")
    url = memory.at("registry/datasets/set/latest.json")
    card = json.loads(memory.context.read_text(url))

    memory.context.write_text(url, json.dumps(card | {"num_rows": "many"}))

    with pytest.raises(ManifestError, match="num_rows is 'many'") as caught:
        registry.latest("set")
    assert caught.value.field == "num_rows"


def test_registry_travels_to_other_processes(memory: Place) -> None:
    registry = _registry(memory)
    registry.publish("set", _manifest(), version="1")

    travelled = pickle.loads(pickle.dumps(Registry(registry.url)))  # noqa: S301 - our own bytes

    assert travelled.load("set") == _manifest()


def test_name_is_found_in_the_registry_of_the_settings(memory: Place) -> None:
    _registry(memory).publish("set", _manifest(), version="1")
    config = replace(memory.config, dataset=DatasetConfig(registry=memory.at("registry")))

    assert find_manifest("set", config=config) == _manifest()
    assert find_manifest("set", revision="1", registry=memory.at("registry")) == _manifest()
    assert find_manifest("set", split="test", config=config).shards == _manifest().shards[1:]
    url = memory.at("registry/datasets/set/versions/1.json")
    assert find_manifest(url, config=memory.config) == _manifest()


def test_registry_of_the_environment_is_used(
    memory: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    _registry(memory).publish("set", _manifest(), version="1")
    monkeypatch.setenv("BLOBIO_REGISTRY", memory.at("registry"))

    assert find_manifest("set") == _manifest()


def test_manifest_has_no_revisions(memory: Place) -> None:
    with pytest.raises(Unsupported, match="has no revisions"):
        find_manifest(memory.at("m.json"), revision="1", config=memory.config)


def test_dataset_that_was_loaded_is_found_offline_in_the_version_asked_for(
    memory: Place, tmp_path: Path
) -> None:
    publisher = _registry(memory)
    publisher.publish("set", _manifest(1), version="1")
    cache = Cache(tmp_path, config=memory.config)
    online = Registry(publisher.url, cache=cache, config=memory.config)
    assert online.load("set", "1") == _manifest(1)
    publisher.publish("set", _manifest(2), version="2")
    assert find_manifest("set", registry=online.url, cache=cache) == _manifest(2)
    memory.context.rmtree(publisher.url)
    settings = DatasetConfig(offline=True, cache_dir=str(tmp_path), registry=publisher.url)
    config = replace(memory.config, dataset=settings)

    assert find_manifest("set", revision="1", config=config) == _manifest(1)
    assert find_manifest("set", config=config) == _manifest(2)
    with pytest.raises(NotFound, match="offline"):
        find_manifest("set", revision="3", config=config)
    travelled = pickle.loads(pickle.dumps(online))  # noqa: S301 - our own bytes
    with pytest.raises(NotFound, match="has no set 1"):
        travelled.load("set", "1")


def test_unknown_split_is_told_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="no split 'dev': its splits are train, test"):
        split_of(_manifest(), "dev")
