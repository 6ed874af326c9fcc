"""One retraining of a small shop by the real command line, once a session: what the tests of this folder start from."""

from pathlib import Path

import pytest
from command_line import Outcome, run
from shop_world import write_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The folder with spec, log and `runs/`, and what the retraining said. Copy it to change it."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder)
    return folder, run("retrain", "shop.toml", folder=folder)
