"""`imgbuild peers` against real machines: ssh with the vault's host keys, sudo, eopeers and nginx, nothing of it a stand-in."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from machines import DOMAIN, make_pair, print_of, put

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import imgbuild_program as imgbuild  # noqa: E402

SSHD = """HostKey /etc/ssh/test_host_key
AuthorizedKeysFile /etc/ssh/test_authorized_keys
AllowUsers ops
PasswordAuthentication no
UsePAM no
PidFile /run/sshd.pid
"""


def make_key(path, comment):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], check=True)
    return path.with_name(path.name + ".pub").read_text()


def private(path, text):
    """A file of a vault."""
    for folder in reversed(path.parents):
        if ".vault" in str(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
    put(path, text).chmod(0o600)


class Operator:
    """Who has the environment file, the vault and an ssh key, at a host of network.ops."""

    def __init__(self, fleet, folder):
        self.fleet, self.folder = fleet, folder
        self.env = folder / "prod.yml"
        self.write_environment()
        public = make_key(folder / "ops", "ops")
        for machine in fleet.machines.values():
            self.open_ssh(machine, public)
        web = fleet.machines["prod-s1"].path("/srv/certs/selfsigned/cert.pem").read_text()
        private(folder / "prod.vault/shared/web/tls.crt", web)
        self.agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(folder / "agent")], stdout=subprocess.DEVNULL)
        while not (folder / "agent").exists():
            time.sleep(0.05)
        subprocess.run(["ssh-add", "-q", str(folder / "ops")], env={**os.environ, "SSH_AUTH_SOCK": str(folder / "agent")}, check=True)

    def stop(self):
        self.agent.kill()
        self.agent.wait()
        for machine in self.fleet.machines.values():
            machine.run("sh", "-c", "kill $(cat /run/sshd.pid)")

    def write_environment(self):
        rows = []
        for machine in self.fleet.machines.values():
            row = {**machine.row, **({"keys": "machine"} if machine.role == "authority" else {})}
            rows.append("  - " + json.dumps(row))
        self.env.write_text(f"version: 1\ndeployment: prod\ndomain: {DOMAIN}\nbase: bootstrap\nssh_authorized_keys: []\n"
                            "network: {internal: 192.168.50.0/24, ops: [192.168.50.1/32]}\nmachines:\n" + "\n".join(rows) + "\n")

    def open_ssh(self, machine, public):
        key = self.folder / f"{machine.name}.key"
        host_key = make_key(key, machine.name)
        private(self.folder / f"prod.vault/machines/{machine.name}/ssh_host_ed25519_key.pub", host_key)
        put(machine.path("/etc/ssh/test_host_key"), key.read_text()).chmod(0o600)
        put(machine.path("/etc/ssh/test_authorized_keys"), public).chmod(0o644)
        put(machine.path("/etc/ssh/test_sshd_config"), SSHD)
        put(machine.path("/etc/sudoers.d/ops"), "ops ALL=(ALL) NOPASSWD: ALL\n").chmod(0o440)
        for name, line in (("passwd", "ops:x:1900:1900::/:/bin/sh\n"), ("shadow", "ops:*:19000:0:99999:7:::\n")):
            with machine.path(f"/etc/{name}").open("a") as accounts:
                accounts.write(line)
        machine.check("sh", "-euc", "mkdir -p /run/sshd; exec /usr/sbin/sshd -f /etc/ssh/test_sshd_config >/dev/null 2>&1 </dev/null")

    def fingerprints(self):
        path = self.folder / "fingerprints"
        path.write_text("".join(f"{name} {print_of(machine.package())}\n" for name, machine in self.fleet.machines.items()))
        return path

    def run(self, *arguments):
        """The program itself, on the network of the machines."""
        words = ["nsenter", "-t", self.fleet.stranger.pid, "-n", str(imgbuild.BUILD / "imgbuild"), "peers", arguments[0], "--env", str(self.env)]
        environment = imgbuild.environment(IMGBUILD_ROOT=imgbuild.ROOT, SSH_AUTH_SOCK=self.folder / "agent", TMPDIR=self.folder)
        return subprocess.run([*words, *map(str, arguments[1:])], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=600)

    def exchange(self, *arguments):
        return self.run("exchange", "--yes", "--fingerprints", self.fingerprints(), "--json", *arguments)


@pytest.fixture(scope="module")
def operator(fleet, tmp_path_factory):
    made = Operator(fleet, tmp_path_factory.mktemp("operator"))
    yield made
    made.stop()


def verdicts(result):
    return {(link["from"], link["to"]): link["verdict"] for link in json.loads(result.stdout)["links"]}


def test_one_command_exchanges_everything_and_proves_it(empty, operator):
    result = operator.exchange()
    assert result.returncode == 0, result.stderr
    names = empty.names()
    assert verdicts(result) == {(name, other): "proven" for name in names for other in empty.wanted(name, names)}
    for name, machine in empty.machines.items():
        assert machine.eopeers("--list").stdout.split() == sorted(empty.wanted(name, names))
        assert machine.eopeers("--prove").returncode == 0
    again = operator.exchange()
    assert again.returncode == 0 and json.loads(again.stdout)["installed"] == [], again.stderr
    assert operator.run("verify").returncode == 0


def test_a_machine_whose_nginx_is_off_is_found_by_verify(empty, operator):
    assert operator.exchange().returncode == 0
    authority = empty.machines["prod-a2"]
    authority.check("nginx", "-s", "stop")
    try:
        result = operator.run("verify", "--json")
    finally:
        authority.start_nginx()
    assert result.returncode == 4
    failed = {link for link, verdict in verdicts(result).items() if verdict == "failed"}
    assert failed == {(name, "prod-a2") for name in empty.machines if name != "prod-a2"}
    assert json.loads(result.stdout)["differences"] == []


def test_a_peer_that_was_removed_is_a_difference_and_comes_back(empty, operator):
    assert operator.exchange().returncode == 0
    assert empty.machines["prod-s1"].eopeers("--remove", "prod-a3").returncode == 0
    found = operator.run("verify", "--json")
    assert found.returncode == 4
    assert json.loads(found.stdout)["differences"] == ["prod-s1: has not installed the package of 'prod-a3'"]
    assert [link for link, verdict in verdicts(found).items() if verdict == "failed"] == [("prod-s1", "prod-a3"), ("prod-a3", "prod-s1")]
    result = operator.exchange()
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["installed"] == [{"on": "prod-s1", "new": ["prod-a3"], "problem": ""}]


def test_a_machine_with_another_host_key_is_not_talked_to(empty, operator):
    path = operator.folder / "prod.vault/machines/prod-a4/ssh_host_ed25519_key.pub"
    right = path.read_text()
    path.write_text((operator.folder / "prod.vault/machines/prod-a5/ssh_host_ed25519_key.pub").read_text())
    try:
        result = operator.exchange()
    finally:
        path.write_text(right)
    assert result.returncode == 4
    assert result.stderr.splitlines()[-1] == "imgbuild: prod-a4: its ssh host key is not the one in the vault"
    assert {machine.eopeers("--list").stdout for machine in empty.machines.values()} == {""}


def test_a_web_machine_with_another_certificate_than_the_vaults_stops_everything(empty, operator, tmp_path):
    path = operator.folder / "prod.vault/shared/web/tls.crt"
    right = path.read_text()
    path.write_text((make_pair(tmp_path / "other", ["prod-s1", "prod-s2", DOMAIN]) / "cert.pem").read_text())
    try:
        result = operator.exchange()
    finally:
        path.write_text(right)
    assert result.returncode == 4 and "prod-s1: shows a certificate with fingerprint" in result.stderr
    assert {machine.eopeers("--list").stdout for machine in empty.machines.values()} == {""}


def test_a_machine_that_is_off_is_done_the_next_time(empty, operator):
    authority = empty.machines["prod-a5"]
    authority.check("sh", "-c", "kill $(cat /run/sshd.pid)")
    result = operator.exchange()
    authority.check("sh", "-euc", "exec /usr/sbin/sshd -f /etc/ssh/test_sshd_config >/dev/null 2>&1 </dev/null")
    assert result.returncode == 7, result.stderr
    assert {verdict for link, verdict in verdicts(result).items() if "prod-a5" in link} == {"not tried"}
    assert {verdict for link, verdict in verdicts(result).items() if "prod-a5" not in link} == {"proven"}
    again = operator.exchange()
    assert again.returncode == 0, again.stderr
