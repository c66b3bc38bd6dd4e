"""Runs imgbuild as a user would: the launcher, with a cache of its own that lasts between test runs."""
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("IMGBUILD_BUILD_DIR", ROOT / ".build"))
CACHE = pathlib.Path(os.environ.get("IMGBUILD_TEST_CACHE", BUILD / "test-cache"))
LAUNCHER = ROOT / "builder" / "imgbuild"
DOMAIN = "ballots.district-seven.example.net"  # in no file of the project: a hit in an image is a leak


def environment(**changes):
    env = {**os.environ, "XDG_CACHE_HOME": str(CACHE), "NO_COLOR": "1"}
    for name, value in changes.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = str(value)
    return env


def run(*arguments, timeout=900, prefix=(), cwd=None, **changes):
    """The finished process, with stdout and stderr as text."""
    return subprocess.run([*prefix, str(LAUNCHER), *map(str, arguments)], env=environment(**changes), cwd=cwd,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)


def run_ok(*arguments, **options):
    result = run(*arguments, **options)
    assert result.returncode == 0, f"exit status {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result


def start(*arguments, stdout, stderr, **changes):
    return subprocess.Popen([str(LAUNCHER), *map(str, arguments)], env=environment(**changes),
                            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, text=True)


def children_of(pid):
    """All living descendants of a process, as (pid, command line)."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append((int(entry.name), command, fields[0]))
    found, todo = [], [pid]
    while todo:
        for child, command, state in parents.get(todo.pop(), []):
            todo.append(child)
            if state != "Z":
                found.append((child, command))
    return found


def abandoned(temporaries):
    """Those that no running imgbuild holds: other tests use the same cache at the same time."""
    found = []
    for path in temporaries:
        try:
            lock = os.open(path, os.O_RDONLY)
        except FileNotFoundError:   # just removed by its owner
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.append(path)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
    return [path for path in found if path.exists()]


class BootedMachine:
    """`imgbuild boot --keep --json` in the background."""

    def __init__(self, folder, *arguments, timeout=600):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.out = open(self.folder / "boot.out", "w+")
        self.err = open(self.folder / "boot.err", "w+")
        self.process = start("boot", *arguments, "--keep", "--json", stdout=self.out, stderr=self.err)
        deadline = time.monotonic() + timeout
        while True:
            text = (self.folder / "boot.out").read_text()
            if text.endswith("\n") or self.process.poll() is not None or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        if not text.endswith("\n"):
            errors = (self.folder / "boot.err").read_text()
            self.stop()
            raise AssertionError(f"the machine did not get ready, exit status {self.process.returncode}\n{errors[-6000:]}")
        self.report = json.loads(text)

    def stop(self, with_signal=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.out.close()
            self.err.close()
        return self.process.returncode


def make_ssh_key(folder):
    """A key pair for the operator; returns (private key file, public line)."""
    path = pathlib.Path(folder) / "ops_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops", "-f", str(path)], check=True)
    return path, path.with_suffix(".pub").read_text().strip()


def write_environment(folder, public_key, name="demo", **changes):
    """An environment file for one web-master that QEMU's user network can reach."""
    values = {"domain": DOMAIN, "base": "bootstrap", "timezone": "Europe/Vienna", **changes}
    path = pathlib.Path(folder) / f"{name}.yml"
    path.write_text(f"""version: 1
deployment: {name}
domain: {values["domain"]}
base: {values["base"]}
timezone: {values["timezone"]}
ssh_authorized_keys: ["{public_key}"]
network:
  internal: 10.0.2.0/24
  ops: [10.0.2.0/24]
machines:
  - {{name: {name}-s1, role: web-master, private_ip: 10.0.2.15}}
""")
    return path


@contextlib.contextmanager
def scratch_user():
    """The name of a user with sub-ids and nothing else."""
    name = f"imgbuild{os.getpid()}"
    subprocess.run(["useradd", "--create-home", name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
