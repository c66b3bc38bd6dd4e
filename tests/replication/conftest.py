"""One pair of web nodes for the whole folder; each test leaves it streaming and synchronous."""
import machines
import pytest
from load import TABLE


class Pair:
    """Who is primary changes with each promotion."""

    def __init__(self, nodes):
        self.primary, self.standby = nodes

    def swap(self):
        self.primary, self.standby = self.standby, self.primary


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    nodes = machines.pair(tmp_path_factory.mktemp("pair"))
    try:
        said = machines.boot(nodes)
        nodes[0].sql(TABLE)
        yield Pair(nodes), said
    finally:
        for node in nodes:
            node.stop()


@pytest.fixture
def pair(made):
    return made[0]
