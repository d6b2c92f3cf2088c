"""boto3, s3fs and `datasets` in one environment with blobio: what one writes the others read."""

from __future__ import annotations

from collections.abc import Callable

import boto3
import datasets
import pytest
import s3fs

from tests.clients.conftest import BUCKET, Store


@pytest.fixture
def store(make_store: Callable[[str], Store]) -> Store:
    """An empty directory on moto."""
    return make_store("s3")


def test_all_of_them_read_what_one_has_written(store: Store) -> None:
    options = {name: value for name, value in store.options.items() if name != "on_event"}
    theirs = s3fs.S3FileSystem(**options, skip_instance_cache=True)
    client = boto3.client(
        "s3",
        aws_access_key_id=options["key"],
        aws_secret_access_key=options["secret"],
        **options["client_kwargs"],
    )
    key = store.root.split(BUCKET + "/")[1]

    store.fs.pipe_file(store.url("ours.txt"), b"ours")
    theirs.pipe_file(f"{BUCKET}/{key}/s3fs.txt", b"s3fs")
    client.put_object(Bucket=BUCKET, Key=f"{key}/boto3.txt", Body=b"boto3")

    for name in ("ours", "s3fs", "boto3"):
        found = client.get_object(Bucket=BUCKET, Key=f"{key}/{name}.txt")["Body"].read()
        assert found == theirs.cat_file(f"{BUCKET}/{key}/{name}.txt") == name.encode()
        assert store.fs.cat_file(store.url(f"{name}.txt")) == name.encode()
    client.close()


def test_datasets_read_with_either_file_system(store: Store) -> None:
    options = {name: value for name, value in store.options.items() if name != "on_event"}
    with store.fs.open(store.url("rows.csv"), "wb") as file:
        file.write(b"number\n1\n2\n")

    for url, given in (
        (store.url("rows.csv"), store.options),
        (store.own("rows.csv"), options),
    ):
        found = datasets.load_dataset(
            "csv", data_files=url, storage_options=given, split="train", streaming=True
        )
        assert [row["number"] for row in found] == [1, 2]
