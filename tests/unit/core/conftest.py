from __future__ import annotations

import pytest


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the waits between resumes take no time; what follows them is what matters."""
    monkeypatch.setattr("random.random", lambda: 0.0)
