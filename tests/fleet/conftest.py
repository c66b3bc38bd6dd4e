import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "peers")]  # which has makers of bad certificates and packages

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


@pytest.fixture(scope="session")
def exchanged(fleet):
    """The fleet, each machine with the packages of those that it must know."""
    result = fleet.exchange()
    assert result.returncode == 0, result.stdout + result.stderr
    return fleet
