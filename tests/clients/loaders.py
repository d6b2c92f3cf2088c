"""What the tests of torch's loaders share: how to run them beside processes that stay."""

from __future__ import annotations

import pytest

__all__ = ["MARKS"]

MARKS = [
    pytest.mark.usefixtures("spawning_has_its_own_process"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),  # few cores
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning"),  # by torchdata 0.11
]
