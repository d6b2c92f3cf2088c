from __future__ import annotations

import pytest

from blobio.drivers.azure.headers import metadata_headers, stored_name, user_metadata, user_name
from blobio.errors import Unsupported


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("colour", "colour"),
        ("a_b1", "a_b1"),
        ("blobfile-mtime", "blobfilemtime"),
        ("a-b", "blobio_x_a_2db"),
        ("1a", "blobio_x_1a"),
        ("a.b_c", "blobio_x_a_2eb_5fc"),
        ("blobio_x_a", "blobio_x_blobio_5fx_5fa"),
    ],
)
def test_name_is_stored_as_an_identifier_and_comes_back(name: str, stored: str) -> None:
    assert stored_name(name) == stored
    assert user_name(stored) == name


@pytest.mark.parametrize("name", ["", "Upper", "a b", "a:b", "é", "blobio_write", "blobfilemtime"])
def test_name_that_cannot_be_kept_is_refused(name: str) -> None:
    with pytest.raises(Unsupported):
        stored_name(name)


def test_values_come_back_and_the_token_stays_here() -> None:
    metadata = {"a": "", "b-c": "grün", "d": "a=b; c"}
    headers = metadata_headers(metadata, "token")

    assert headers["x-ms-meta-blobio_write"] == "token"
    assert all(value.isascii() for value in headers.values())
    assert user_metadata(headers) == metadata


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_line_break_in_a_value_is_refused(value: str) -> None:
    with pytest.raises(Unsupported):
        metadata_headers({"a": value})
