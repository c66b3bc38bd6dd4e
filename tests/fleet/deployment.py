"""Four machines of one environment file, each in a QEMU of its own, on a private network."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import imgbuild_program as imgbuild

DOMAIN = imgbuild.DOMAIN
ADDRESSES = {"prod-s1": "192.168.50.4", "prod-s2": "192.168.50.5", "prod-a1": "192.168.50.11", "prod-a2": "192.168.50.12"}
WEB = ("prod-s1", "prod-s2")
AUTHORITIES = ("prod-a1", "prod-a2")
STRANGER = "192.168.50.99"  # in the network, but no machine of the deployment
READY_SECONDS = 1200


def write_environment(folder, public_key):
    path = pathlib.Path(folder) / "prod.yml"
    path.write_text(f"""version: 1
deployment: prod
domain: {DOMAIN}
base: bootstrap
lab: true
ssh_authorized_keys: ["{public_key}"]
network:
  internal: 192.168.50.0/24
  ops: [10.0.2.2/32]
machines:
  - {{name: prod-s1, role: web-master, private_ip: 192.168.50.4, memory: 1 GiB, cpus: 1}}
  - {{name: prod-s2, role: web-slave, private_ip: 192.168.50.5, memory: 1 GiB, cpus: 1}}
  - {{name: prod-a1, role: authority, private_ip: 192.168.50.11, director: true, memory: 1 GiB, cpus: 1}}
  - {{name: prod-a2, role: authority, private_ip: 192.168.50.12, memory: 1 GiB, cpus: 1}}
""")
    return path


class Machine:
    """`imgbuild boot --env FILE NAME --keep`, on a disk that stays."""

    def __init__(self, deployment, name):
        self.deployment = deployment
        self.name = name
        self.address = ADDRESSES[name]
        self.disk = deployment.folder / f"{name}.qcow2"
        self.starts = 0

    def start(self):
        self.starts += 1
        stem = self.deployment.folder / f"{self.name}.{self.starts}"
        self.out_path, self.err_path = stem.with_suffix(f".{self.starts}.out"), stem.with_suffix(f".{self.starts}.err")
        self.console = stem.with_suffix(f".{self.starts}.console")
        with open(self.out_path, "w") as out, open(self.err_path, "w") as err:
            self.process = imgbuild.start("boot", "--env", self.deployment.environment, "-o", self.deployment.output, self.name,
                                          "--keep", "--json", "--disk", self.disk, "--console", self.console,
                                          "--timeout", f"{READY_SECONDS} s", stdout=out, stderr=err)

    def wait_for_report(self, wanted="ready"):
        """What imgbuild says of the machine once it is ready, or has failed if that is wanted."""
        deadline = time.monotonic() + READY_SECONDS + 60
        while not self.out_path.read_text().endswith("\n"):
            assert self.process.poll() is None and time.monotonic() < deadline, \
                f"{self.name} did not get ready\n{self.err_path.read_text()[-6000:]}"
            time.sleep(0.5)
        self.report = json.loads(self.out_path.read_text().splitlines()[0])
        self.port = self.report["ssh_port"]
        assert ("failed" in self.report) == (wanted == "failed"), f"{self.report}\n{self.err_path.read_text()[-6000:]}"

    def qemu_pid(self):
        return next(pid for pid, command in imgbuild.children_of(self.process.pid) if "qemu-system" in command.split()[0])

    def power_off_hard(self):
        """As if somebody pulled the plug."""
        os.kill(self.qemu_pid(), signal.SIGKILL)
        self.process.wait(60)

    def stop(self):
        """Not with a clean shutdown, which takes long and nobody needs any more."""
        self.process.terminate()
        for pid, _ in imgbuild.children_of(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(60)

    def ssh_command(self, command):
        """On a connection that all commands share: a handshake takes an emulated machine seconds."""
        shared = ["-o", "ControlMaster=auto", "-o", "ControlPersist=600", "-o", f"ControlPath={self.deployment.sockets}/%C"]
        return ["ssh", "-F", str(self.deployment.ssh_config), *shared, "-o", "ConnectTimeout=60", self.name, command]

    def ssh(self, command, input=None, check=True, timeout=300, text=True):
        result = subprocess.run(self.ssh_command(command), input=input, stdin=None if input is not None else subprocess.DEVNULL,
                                capture_output=True, text=text, timeout=timeout)
        if check:
            assert result.returncode == 0, f"{self.name}: {command}\n{result.stdout}\n{result.stderr}"
        return result

    def python(self, script, *arguments, timeout=300):
        """Runs a Python script as root in the machine; its output."""
        return self.ssh("sudo python3 - " + " ".join(map(str, arguments)), input=script, timeout=timeout).stdout

    def runtime(self, script, timeout=300):
        """The same with the modules of the appliance's runtime, its host, environment and role."""
        begin = ("import json, sys; sys.path.insert(0, '/usr/lib/appliance'); sys.dont_write_bytecode = True\n"
                 "from appliance import apply, peers, peer_package\nfrom appliance.host import Host\n"
                 "host = Host(); environment, role = apply.load(host)\n")
        return self.python(begin + script, timeout=timeout)

    def status(self):
        return json.loads(self.ssh("sudo appliance status --json", check=False).stdout)

    def sql(self, statement, check=True):
        """As the database's superuser."""
        return self.ssh("cd / && sudo -u postgres psql -X -At -v ON_ERROR_STOP=1 -d ballot_box", input=statement, check=check).stdout.strip()


class Deployment:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.key, public = imgbuild.make_ssh_key(folder)
        self.environment = write_environment(folder, public)
        self.output = self.folder / "output"
        self.vault = self.folder / "prod.vault"
        self.ssh_config = self.folder / "ssh_config"
        self.sockets = tempfile.mkdtemp(prefix="ssh-")  # short: the path of a socket has at most 107 characters
        self.built = imgbuild.run_ok("deployment", "--env", self.environment, "-o", self.output, timeout=1800)
        self.machines = {name: Machine(self, name) for name in ADDRESSES}

    def __getitem__(self, name):
        return self.machines[name]

    def each(self, function, names=tuple(ADDRESSES)):
        """{name: what the function gives for the machine}, asked at the same time: each has a processor of its own to wait for."""
        with ThreadPoolExecutor(len(names)) as pool:
            return dict(zip(names, pool.map(lambda name: function(self[name]), names)))

    def start(self):
        # The standby first: which machine boots first must not matter.
        for name in ("prod-s2", "prod-s1", "prod-a1", "prod-a2"):
            self[name].start()
        for machine in self.machines.values():
            machine.wait_for_report()
        self.write_ssh_config()

    def write_ssh_config(self):
        """The ports of all machines; host keys are those of the vault."""
        known, hosts = "", ""
        for name, machine in self.machines.items():
            public = (self.vault / "machines" / name / "ssh_host_ed25519_key.pub").read_text().split()[:2]
            known += f"{name} {' '.join(public)}\n"
            hosts += f"Host {name}\n  HostName 127.0.0.1\n  Port {machine.port}\n  User ops\n  HostKeyAlias {name}\n"
        (self.folder / "known_hosts").write_text(known)
        self.ssh_config.write_text(hosts + f"Host *\n  IdentityFile {self.key}\n  IdentitiesOnly yes\n  BatchMode yes\n"
                                   f"  StrictHostKeyChecking yes\n  UserKnownHostsFile {self.folder / 'known_hosts'}\n")

    def imgbuild(self, *arguments, **options):
        return imgbuild.run(*arguments, "--env", self.environment, **options)

    def stop(self):
        for machine in self.machines.values():
            if hasattr(machine, "process") and machine.process.poll() is None:
                machine.stop()
        for socket in pathlib.Path(self.sockets).iterdir():
            subprocess.run(["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "ended"], capture_output=True)
        shutil.rmtree(self.sockets)

    def exchange(self):
        """All packages, each fingerprint read from the vault, as two people would read it to each other."""
        folders = {name: self.vault / ("shared/web" if name in WEB else f"machines/{name}") for name in ADDRESSES}
        listed = self.folder / "fingerprints"
        listed.write_text("".join(f"{name} {fingerprint(folder / 'tls.crt')}\n" for name, folder in folders.items()))
        return self.imgbuild("peers", "exchange", "--yes", "--fingerprints", listed, "--ssh-config", self.ssh_config)


def wait_for(condition, seconds, what):
    """The first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(2)
    raise AssertionError(f"{what}: not within {seconds} s")


def fingerprint(path):
    """SHA-256 of a certificate, 64 hex digits."""
    text = subprocess.run(["openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True, check=True).stdout
    return re.sub(r"[^0-9A-F]", "", text.partition("=")[2]).lower()
