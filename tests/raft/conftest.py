from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate-scenarios", action="store_true", help="write what the scenarios see, to be reviewed")
