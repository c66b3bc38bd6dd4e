import json
import os
import pathlib
import random
import subprocess
import sys
import time
import urllib.request

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import imgbuild_program as imgbuild

BLOCK = 524288
REGION = "eu-central-1"
# What no request of ours may be; a test that wants one says so with may_be_refused.
DEFECTS = {"UnknownParameter", "MalformedQueryString", "InvalidAction", "SignatureDoesNotMatch", "InvalidSignatureException", "ValidationException",
           "InvalidParameterValue", "InvalidParameterDependency", "InvalidArgument", "SerializationException", "MalformedXML", "UnknownOperationException",
           "MethodNotAllowed", "TagLimitExceeded", "ConflictException", "crash"}


class Server:
    """server.py in a process of its own, and imgbuild told to talk to it."""

    def __init__(self, folder, **settings):
        self.folder, self.allowed, self.started = folder, set(), []
        (folder / "server").mkdir()
        self.write_settings(settings)
        self.log = open(folder / "server.log", "w")
        self.process = subprocess.Popen([sys.executable, HERE / "server.py", folder / "server"], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30
        while not (folder / "server/port").exists():
            assert self.process.poll() is None and time.monotonic() < deadline, (folder / "server.log").read_text()
            time.sleep(0.02)
        self.url = "http://127.0.0.1:" + (folder / "server/port").read_text()
        self.state_folder = folder / "state"
        self.environment = {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST", "AWS_SECRET_ACCESS_KEY": "secret/of+the/tests",
                            "AWS_REGION": REGION, "AWS_SESSION_TOKEN": None, "AWS_PROFILE": None, "AWS_EC2_METADATA_DISABLED": "true",
                            "AWS_CONFIG_FILE": folder / "no-config", "AWS_SHARED_CREDENTIALS_FILE": folder / "no-credentials",
                            "XDG_STATE_HOME": self.state_folder, "XDG_CACHE_HOME": folder / "cache"}

    def stop(self):
        """Ends it and what was started here, however the test went."""
        for process in [*self.started, self.process]:
            process.kill()
            process.communicate(timeout=60)
        self.log.close()

    def may_be_refused(self, *refusals):
        """Each is "OPERATION CODE", with a code of DEFECTS."""
        self.allowed |= set(refusals)

    def require_honesty(self):
        """The server did not break, and was asked nothing that it had to refuse as nonsense."""
        log = (self.folder / "server.log").read_text()
        assert "Traceback" not in log, log
        wrong = {name for name in self.state()["refusals"] if name.split()[-1] in DEFECTS}
        assert wrong <= self.allowed, f"{sorted(wrong - self.allowed)} were refused"

    def write_settings(self, settings):
        (self.folder / "server/settings.json").write_text(json.dumps(settings))

    def set(self, **settings):
        self.write_settings(settings)
        self._ask("/_test/settings", b"{}")

    def _ask(self, path, data=None):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.url + path, data, timeout=60) as answer:
            return json.load(answer)

    def state(self):
        return self._ask("/_test/state")

    def disk(self, snapshot):
        """What is on a snapshot, as a file."""
        path = self.folder / f"{snapshot}.raw"
        self._ask(f"/_test/disk/{snapshot}{path}")
        return path

    def imgbuild(self, *arguments, **changes):
        options = {name: changes.pop(name) for name in ("timeout", "prefix") if name in changes}
        return imgbuild.run(*arguments, **options, **{**self.environment, **changes})

    def ok(self, *arguments, **changes):
        result = self.imgbuild(*arguments, **changes)
        assert result.returncode == 0, f"exit status {result.returncode}\n{result.stdout}\n{result.stderr}\n{self.state()['refusals']}"
        return result

    def start(self, *arguments):
        self.started.append(imgbuild.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **self.environment))
        return self.started[-1]

    def wait_until(self, condition, process):
        """The first state of which 'condition' holds, while a process runs."""
        deadline = time.monotonic() + 60
        while not condition(state := self.state()):
            assert process.poll() is None, f"it ended before, exit status {process.returncode}\n{process.communicate()[1]}"
            assert time.monotonic() < deadline, f"it did not come to that\n{state['counts']}\n{state['refusals']}"
            time.sleep(0.02)
        return state

    def aws(self, *arguments, **changes):
        env = {**os.environ, "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
               "AWS_SECRET_ACCESS_KEY": "secret/of+the/tests", "AWS_REGION": REGION, "PATH": "/usr/bin:/bin", **changes}
        return subprocess.run(["/usr/bin/aws", "--endpoint-url", self.url, *map(str, arguments)], env=env, capture_output=True, text=True, timeout=60)


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    try:
        yield made
        made.require_honesty()
    finally:
        made.stop()


def make_disk(path, blocks, gib=1, seed=1):
    """A raw disk with a GPT (boot area and ESP), with random bytes in so many blocks, some of them not aligned."""
    path.touch()
    os.truncate(path, gib << 30)
    table = """label: gpt
label-id: 11111111-2222-3333-4444-555555555555
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649
start=4096, size=204800, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
"""
    subprocess.run(["sfdisk", "-q", path], input=table, text=True, check=True, capture_output=True)
    chance = random.Random(seed)
    with open(path, "r+b") as file:
        file.write(b"\xeb\x63boot code")
        for index in sorted(chance.sample(range(2, gib * 2048 - 2), blocks)):
            file.seek(index * BLOCK + chance.randrange(0, BLOCK // 2))
            file.write(chance.randbytes(1000) if index % 3 else chance.randbytes(BLOCK // 2))
    return path


@pytest.fixture
def disk(tmp_path):
    return make_disk(tmp_path / "web-master.raw", 60)


def data_extents(file):
    """(begin, end) of what is not a hole."""
    end = 0
    while True:
        try:
            begin = os.lseek(file, end, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole follows
            return
        end = os.lseek(file, begin, os.SEEK_HOLE)
        yield begin, end


def same(one, other):
    """Whether two disks have the same bytes; where both have holes nothing is read."""
    with open(one, "rb") as first, open(other, "rb") as second:
        files = (first.fileno(), second.fileno())
        if os.fstat(files[0]).st_size != os.fstat(files[1]).st_size:
            return False
        return all(os.pread(files[0], min(BLOCK, end - at), at) == os.pread(files[1], min(BLOCK, end - at), at)
                   for file in files for begin, end in data_extents(file) for at in range(begin, end, BLOCK))
