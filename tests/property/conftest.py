"""Let pytest explain the assertions of the modules that the tests share."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.property.pair")
