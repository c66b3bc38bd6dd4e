"""A machine below a temporary folder, with fake commands. Nothing here needs root or a network."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True   # the overlays are copied as they are: no __pycache__ in them
OVERLAYS = Path(__file__).resolve().parents[2] / "overlays"
sys.path.insert(0, str(OVERLAYS / "common/usr/lib/appliance"))

from appliance.host import Host  # noqa: E402

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake ops"
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBwDCCAWWgAwIBAgIUDQ5SUnB/xUXNyIAqoic7J9DdseQwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHcHJvZC1zMTAgFw0yNjExMjExMzI4NTVaGA8yMTI2MTAyODEz
Mjg1NVowEjEQMA4GA1UEAwwHcHJvZC1zMTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABGT6eQ8DdGUl4HSPPRGwKc4YvPlPzF6Ezh4oa3Jd6MwsySCyNtVUPO0MpWkO
NbQCj7CuAVzISDy3+6pW9XNKrzWjgZYwgZMwHQYDVR0OBBYEFDMMGDozyp2CfNTe
mKPJLli6ll0MMB8GA1UdIwQYMBaAFDMMGDozyp2CfNTemKPJLli6ll0MMAwGA1Ud
EwEB/wQCMAAwJAYDVR0RBB0wG4IHcHJvZC1zMYIQdm90ZS5leGFtcGxlLm9yZzAd
BgNVHSUEFjAUBggrBgEFBQcDAQYIKwYBBQUHAwIwCgYIKoZIzj0EAwIDSQAwRgIh
AJeRQfJO58ALZ3OsT0APXTdHvoQJ3gXmDZPy8Zd6cn/+AiEA9bE+JkpQYY7eP8sJ
tDtpq9nTqyLY1pyZmv9McLT1+Xo=
-----END CERTIFICATE-----
"""   # of prod-s1, its key is nowhere
PASSWORD = "ballot-box-password-1"

ENVIRONMENT = f'''version: 1
deployment: "prod"
domain: "vote.example.org"
timezone: "Europe/Vienna"
seed: "web"
instance: "prod-s1-0123456789ab"
machine: {{name: "prod-s1", role: "web-master", private_ip: "192.168.50.4", public_ip: "203.0.113.4"}}
network: {{internal: "192.168.50.0/24", ops: ["192.168.50.1/32", "2001:db8::/64"]}}
machines:
  - {{name: "prod-s1", role: "web-master", private_ip: "192.168.50.4", public_ip: "203.0.113.4"}}
  - {{name: "prod-s2", role: "web-slave", private_ip: "192.168.50.5"}}
  - {{name: "prod-a1", role: "authority", private_ip: "192.168.50.6", director: true}}
  - {{name: "prod-a2", role: "authority", private_ip: "192.168.50.7", external: true}}
users:
  - {{name: "ops", ssh_authorized_keys: ["{KEY}"]}}
settings: {{ballot_box_database_password: "{PASSWORD}", iam_database_password: "iam-password-22", replication_password: "replication:3"}}
'''


class Commands:
    """Stands in for run_command: remembers what was asked, answers success, or what `answers` holds for a prefix."""

    def __init__(self, root):
        self.root = Path(root)
        self.asked = []
        self.answers = {}
        self.roles = {}
        self.databases = []

    def __call__(self, argv, stdin=None, env=None, pass_fds=()):
        self.asked.append(list(argv))
        line = " ".join(argv)
        for prefix, (status, output) in self.answers.items():
            if line.startswith(prefix):
                return subprocess.CompletedProcess(argv, status, output, output)
        if argv[0] == "pg_createcluster":
            (self.root / f"etc/postgresql/{argv[1]}/main").mkdir(parents=True)
            (self.root / f"etc/postgresql/{argv[1]}/main/postgresql.conf").touch()
            (self.root / f"var/lib/postgresql/{argv[1]}/main").mkdir(parents=True)
        return subprocess.CompletedProcess(argv, 0, self._sql(stdin) if stdin else "", "")

    def changing(self):
        """The commands that changed something."""
        return [line for line in self.asked if line[0] not in ("nft", "nginx", "visudo", "journalctl", "runuser")
                and "is-active" not in line and not line[0].endswith("/pg_isready")]

    def _sql(self, text):
        """A server that knows just our statements: self.roles is name → verifier, self.databases are names."""
        text = text.replace("SET synchronous_commit = local;\n", "")
        if text.startswith("SELECT 'role'"):
            rows = [f"role|{name}|{verifier}" for name, verifier in self.roles.items()]
            rows += [f"database|{name}|f" for name in self.databases]
            return "".join(row + "\n" for row in rows)
        for line in text.splitlines():
            name = line.split('"')[1] if '"' in line else ""
            if line.startswith("CREATE ROLE"):
                self.roles[name] = ""
            elif line.startswith("ALTER ROLE"):
                self.roles[name] = line.split("'")[1]
            elif line.startswith("CREATE DATABASE"):
                self.databases.append(name)
        return ""


@pytest.fixture
def commands(tmp_path):
    return Commands(tmp_path)


@pytest.fixture
def host(tmp_path, commands):
    """A freshly seeded web-master that has never been configured."""
    for overlay in ("common", "web"):
        shutil.copytree(OVERLAYS / overlay, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    put(tmp_path, "etc/appliance/env.yml", ENVIRONMENT)
    put(tmp_path, "srv/certs/selfsigned/cert.pem", CERTIFICATE)
    put(tmp_path, "srv/certs/selfsigned/key-nopass.pem", "KEY\n")
    put(tmp_path, "usr/share/zoneinfo/Europe/Vienna", "")
    put(tmp_path, "usr/share/zoneinfo/UTC", "")
    put(tmp_path, "usr/lib/postgresql/15/bin/initdb", "")
    put(tmp_path, "proc/meminfo", "MemTotal:        4194304 kB\n")
    put(tmp_path, "proc/net/if_inet6", "")
    put(tmp_path, "usr/lib/appliance/image.json",
        '{"version":1,"image":"web","roles":["web-master"],"plan":"' + "a" * 64 + '","built_with":"imgbuild 1"}')
    put(tmp_path, "dev/console", "")
    put(tmp_path, "etc/passwd", "root:x:0:0:::\nballotbox:x:999:999:::\n")
    put(tmp_path, "etc/appliance/ssh/postgres", "POSTGRES KEY\n")
    put(tmp_path, "etc/appliance/ssh/ballotbox", "BALLOTBOX KEY\n")
    os.chmod(tmp_path / "etc/appliance", 0o755)
    return Host(tmp_path, commands)


def put(root, path, text):
    target = Path(root) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def change_environment(host, old, new):
    text = host.read("/etc/appliance/env.yml")
    assert old in text
    host.path("/etc/appliance/env.yml").write_text(text.replace(old, new))
