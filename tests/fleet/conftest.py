import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from deployment import Deployment


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    """Built, started and ready; the tests of this folder share it and run in the order of their files."""
    deployment = Deployment(tmp_path_factory.mktemp("fleet"))
    try:
        deployment.start()
        yield deployment
    finally:
        deployment.stop()
