"""`vagrant up` in the output folder, with the distribution's vagrant, vagrant-libvirt and libvirt, whose daemon is ours."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

import imgbuild_program as imgbuild

MACHINES = ("prod-s1", "prod-a1")


def write_environment(folder, public_key):
    path = folder / "prod.yml"
    path.write_text(f"""version: 1
deployment: prod
domain: {imgbuild.DOMAIN}
base: bootstrap
ssh_authorized_keys: ["{public_key}"]
network:
  internal: 192.168.50.0/24
  ops: [192.168.121.0/24, 10.0.2.2/32]
machines:
  - {{name: prod-s1, role: web-master, private_ip: 192.168.50.4, memory: 1 GiB, cpus: 1}}
  - {{name: prod-a1, role: authority, private_ip: 192.168.50.11, director: true, memory: 1 GiB, cpus: 1}}
""")
    return path


@contextlib.contextmanager
def libvirt_running(log):
    """A daemon for the time of the test, unless the host has one."""
    listing = ["virsh", "-c", "qemu:///system", "list"]
    if subprocess.run(listing, capture_output=True).returncode == 0:
        yield
        return
    with open(log, "w") as out:
        daemons = [subprocess.Popen([name], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT) for name in ("virtlogd", "libvirtd")]
        try:
            deadline = time.monotonic() + 60
            while subprocess.run(listing, capture_output=True).returncode != 0:
                assert time.monotonic() < deadline and daemons[1].poll() is None, pathlib.Path(log).read_text()
                time.sleep(0.5)
            yield
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait(60)


class Vagrant:
    def __init__(self, folder):
        self.folder = folder
        key, public = imgbuild.make_ssh_key(folder)
        self.environment = write_environment(folder, public)
        self.output = folder / "output" / "prod"
        self.built = imgbuild.run_ok("deployment", "--env", self.environment, "-o", folder / "output", "--format", "box-libvirt", timeout=1500)
        self.variables = {**os.environ, "VAGRANT_HOME": str(folder / "home"), "VAGRANT_CWD": str(self.output), "HOME": str(folder),
                          "IMGBUILD_SSH_KEY": str(key), "VAGRANT_DEFAULT_PROVIDER": "libvirt", "LIBVIRT_DEFAULT_URI": "qemu:///system"}

    def __call__(self, *arguments, timeout=120):
        return subprocess.run(["vagrant", *arguments, "--no-tty"], env=self.variables, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout)

    def ssh(self, name, command):
        return subprocess.run(["vagrant", "ssh", name, "--no-tty", "-c", command], env=self.variables, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def vagrant():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="vagrant-", dir="/var/tmp"))
    folder.chmod(0o755)  # QEMU runs as a user of its own there, and opens the seeds
    with libvirt_running(folder / "libvirt.log"):
        made = Vagrant(folder)
        made.up = made("up", timeout=1500)
        try:
            yield made
        finally:
            made("destroy", "--force", timeout=300)
            for box in ("prod/web-master", "prod/authority"):
                made("box", "remove", box, "--all", "--force")
            for volume in subprocess.run(["virsh", "-c", "qemu:///system", "vol-list", "default"], capture_output=True, text=True).stdout.split():
                if volume.startswith("prod-VAGRANTSLASH-"):
                    subprocess.run(["virsh", "-c", "qemu:///system", "vol-delete", volume, "default"], capture_output=True)
            shutil.rmtree(folder)


def test_the_file_is_one_that_vagrant_takes(vagrant):
    assert str(vagrant.output / "Vagrantfile") in vagrant.built.stdout.splitlines()
    valid = vagrant("validate")
    assert valid.returncode == 0, valid.stdout + valid.stderr


def test_vagrant_up_starts_all_machines(vagrant):
    assert vagrant.up.returncode == 0, vagrant.up.stdout[-4000:] + vagrant.up.stderr[-4000:]
    listed = vagrant("status").stdout
    assert all(f"{name} " in listed for name in MACHINES) and listed.count("running (libvirt)") == len(MACHINES), listed


@pytest.mark.parametrize("name", MACHINES)
def test_vagrant_ssh_leads_into_a_machine_that_gets_ready(vagrant, name):
    assert vagrant.ssh(name, "hostname").stdout.strip() == name
    deadline = time.monotonic() + 900
    while '"ready": true' not in (last := vagrant.ssh(name, "sudo appliance status --json")).stdout:
        assert time.monotonic() < deadline, last
        time.sleep(5)


def test_machines_reach_each_other_at_the_addresses_of_the_environment(vagrant):
    assert "192.168.50.4/24" in vagrant.ssh("prod-s1", "ip -4 -o address show").stdout
    ask = ("import http.client, ssl; server = http.client.HTTPSConnection('prod-s1', timeout=60, context=ssl._create_unverified_context()); "
           "server.request('GET', '/'); print(server.getresponse().status)")
    answer = vagrant.ssh("prod-a1", f'python3 -c "{ask}"')
    assert answer.stdout.strip() in ("200", "503"), answer


def test_nothing_of_the_host_is_shared_with_a_machine(vagrant):
    assert "/vagrant" not in vagrant.ssh("prod-s1", "cat /proc/mounts").stdout
