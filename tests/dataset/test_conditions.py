"""Conditions as they are typed: the same rows as Python itself finds, and nothing else is run."""

from __future__ import annotations

import pyarrow as pa
import pytest

from blobio.dataset.conditions import parse_condition
from blobio.errors import InvalidConfig

TABLE = pa.table(
    {
        "n": [1, 2, 3, None],
        "x": [0.5, -1.0, 2.5, 3.0],
        "lang": ["en", "de", "en", None],
        "ok": [True, False, True, None],
        "user": [{"age": 17}, {"age": 18}, {"age": 40}, None],
        "a name": [7, 8, 9, 10],
    }
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("n > 1", [1, 2]),
        ("n != 2", [0, 2]),
        ("1 < n <= 3", [1, 2]),
        ("2 == n", [1]),
        ("x == -1", [1]),
        ("n < x", []),
        ("x > n", []),
        ("lang == 'en' and n >= 2", [2]),
        ("lang == 'de' or n == 3 or n == 1", [0, 1, 2]),
        ("lang in ('en', 'fr')", [0, 2]),
        ("lang not in ['de']", [0, 2, 3]),
        ("lang is None", [3]),
        ("lang is not None and not (n == 1)", [1, 2]),
        ("ok", [0, 2]),
        ("not ok", [1]),
        ("ok == True", [0, 2]),
        ("user.age >= 18", [1, 2]),
        ('col("a name") > 8', [2, 3]),
        ("  n > 2\n", [2]),
    ],
)
def test_rows_that_pass(text: str, rows: list[int]) -> None:
    numbered = TABLE.append_column("row", pa.array(range(4)))

    found = numbered.filter(parse_condition(text)).column("row").to_pylist()

    assert found == rows


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "syntax"),
        ("n >", "syntax"),
        ("n = 3", "syntax"),
        ("n + 1 > 2", "'n + 1' is no value"),
        ("3", "'3' is no column"),
        ("1 < 2", "1 and 2 are no columns"),
        ("n == None", "say 'is None'"),
        ("n is 3", "'is' asks for None"),
        ("n in m", "'m' is no list"),
        ("n in (1, m)", "'m' is no value"),
        ("open('x')", "is no column"),
        ("n.__class__()", "is no column"),
        ("lambda: 1", "is no column"),
        ("n > 1j", "is no value"),
        ("(" * 9_000 + "n" + ")" * 9_000, "more than 10000 letters"),
        ("not " * 2_000 + "n", "not not"),
    ],
)
def test_what_else_is_said_is_named(text: str, told: str) -> None:
    with pytest.raises(InvalidConfig, match="the condition") as caught:
        parse_condition(text)

    assert told in str(caught.value)
