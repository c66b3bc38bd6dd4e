"""A deployment of five authorities and two web nodes on a switch, and one stranger beside them; made once for all tests."""
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from machines import DOMAIN, Machine, Network, Stranger, make_pair  # noqa: E402

WEB = [{"name": "prod-s1", "role": "web-master", "private_ip": "192.168.50.4", "public_ip": "203.0.113.4", "node_id": 1},
       {"name": "prod-s2", "role": "web-slave", "private_ip": "192.168.50.5", "node_id": 2}]
AUTHORITIES = [{"name": f"prod-a{n}", "role": "authority", "private_ip": f"192.168.50.{10 + n}", **({"director": True} if n == 1 else {})}
               for n in range(1, 6)]


class Fleet:
    def __init__(self, folder):
        self.folder = folder
        self.network = Network()
        self.machines = {}
        try:
            shared = make_pair(folder / "shared", ["prod-s1", "prod-s2", DOMAIN])
            for row in WEB + AUTHORITIES:
                pair = shared if row in WEB else None
                self.machines[row["name"]] = Machine(self.network, folder, WEB + AUTHORITIES, row["name"], pair)
            self.stranger = Stranger(self.network, "192.168.50.99")
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for one in (*self.machines.values(), *([self.stranger] if hasattr(self, "stranger") else []), self.network):
            one.stop()

    def names(self, authorities=5):
        return ["prod-s1", "prod-s2", *(f"prod-a{n}" for n in range(1, authorities + 1))]

    def wanted(self, name, names):
        """Whose packages belong on a machine (facts of the deployment guides: everybody but web to web)."""
        return [other for other in names if other != name and not (is_web(name) and is_web(other))]

    def exchange(self, names):
        """Two commands a machine: one shows its package, one installs those of the others."""
        packages = dict(zip(names, self.on(names, lambda machine: machine.package())))
        done = self.on(names, lambda machine: machine.install(*[packages[other] for other in self.wanted(machine.name, names)]))
        assert [one.stderr for one in done] == [""] * len(names)

    def on(self, names, work):
        """What `work` gives for each machine, a few at a time."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(lambda name: work(self.machines[name]), names))

    def forget(self, keep=()):
        """Nobody but `keep` knows anybody, and they know each other alone."""
        self.on(self.machines, lambda machine: self._forget(machine, keep if machine.name in keep else ()))

    @staticmethod
    def _forget(machine, keep):
        gone = [path.stem for path in machine.path("/var/lib/eopeers/current/packages").iterdir() if path.stem not in keep]
        if gone:
            done = machine.eopeers("--remove", *gone)
            assert done.returncode == 0, done.stderr

    def verdict(self, target, pair=None, tls="1.3", path="/appliance/peer"):
        """Status and body that a stranger gets with a pair."""
        words = ["curl", "-sk", "--max-time", "10", f"--tlsv{tls}", "--tls-max", tls, "-w", "\n%{http_code}",
                 f"https://{target.address}:{target.port}{path}"]
        if pair:
            words += ["--cert", str(pair[0]), "--key", str(pair[1])]
        body, _, status = self.stranger.run(*words).stdout.rpartition("\n")
        return int(status), body.strip()


def is_web(name):
    return name.startswith("prod-s")


@pytest.fixture(scope="session")
def fleet(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.fail("these tests make namespaces and network interfaces: run them as root")
    made = Fleet(tmp_path_factory.mktemp("fleet"))
    yield made
    made.stop()


@pytest.fixture
def empty(fleet):
    """The fleet with nobody installed."""
    fleet.forget()
    return fleet
