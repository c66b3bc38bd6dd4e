"""Runs that are disturbed from outside: a package mirror that goes down, Ctrl-C while a base is made or fetched."""
import hashlib
import http.server
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

import imgbuild_program as imgbuild
from test_deployment import PROGRAM, SmallProject

INTERRUPTED = "imgbuild: interrupted; nothing half-made was kept"


class Mirror:
    """A proxy to the real package mirror that goes down when a given number of package files have passed."""

    def __init__(self, packages, how):
        self.left = packages
        self.how = how
        self.refused = 0
        mirror = self
        lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                if self.path.endswith(".deb"):
                    with lock:
                        mirror.left -= 1
                if mirror.left < 0:
                    mirror.refused += 1
                    self.close_connection = True
                    if mirror.how == "error":
                        self.send_error(503)
                    return
                try:
                    with urllib.request.urlopen(urllib.request.Request(self.path), timeout=60) as answer:
                        body = answer.read()
                        status = answer.status
                except urllib.error.HTTPError as error:
                    body, status = b"", error.code
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache that has the base and no package."""
    bases = imgbuild.CACHE / "imgbuild" / "bases"
    if not list(bases.glob("bootstrap-*")):
        imgbuild.run_ok("base", "bootstrap", timeout=900)
    folder = tmp_path_factory.mktemp("cache")
    (folder / "imgbuild").mkdir(mode=0o700)
    shutil.copytree(bases, folder / "imgbuild" / "bases")
    (folder / "imgbuild" / "bases").chmod(0o700)
    return folder


@pytest.fixture
def project(tmp_path, cache):
    made = SmallProject(tmp_path)
    for role in ("web-master", "web-slave"):
        recipe = tmp_path / "project/recipes" / f"{role}.yml"
        recipe.write_text(recipe.read_text().replace("  - run:", "  - packages: {install: [chrony, rsync, memcached]}\n  - run:"))
    return made


def running_below(pid):
    return [command for _, command in imgbuild.children_of(pid)]


def temporaries(cache):
    return [path for name in ("work", "bases") for path in (cache / "imgbuild" / name).glob("tmp-*")]


@pytest.mark.parametrize("how", ["error", "drop"])
def test_a_mirror_that_goes_down_in_the_middle_leaves_old_outputs_and_nothing_else(project, cache, how):
    old = project.output / "prod"
    old.mkdir(parents=True)
    for name in ("web-master.qcow2", "web-master.manifest.json", "prod-s1.seed.iso"):
        (old / name).write_text("of before")
    before = project.made()
    shutil.rmtree(cache / "imgbuild" / "downloads", ignore_errors=True)
    mirror = Mirror(1, how)
    try:
        result = subprocess.run(project.arguments("recipe web-master", "--proxy", mirror.url), capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=600, env={**project.variables(), "XDG_CACHE_HOME": str(cache)})
    finally:
        mirror.close()
    assert mirror.refused > 0, result.stderr
    assert (result.returncode, result.stdout) == (6, ""), result.stderr
    error = result.stderr[result.stderr.index("imgbuild: "):]
    assert "doing step 2 (packages: install chrony, rsync, memcached) of role 'web-master'" in error
    assert ".deb" in error and "Traceback" not in error
    assert project.made() == before and (old / "web-master.qcow2").read_text() == "of before"
    assert project.temporaries() == [] and temporaries(cache) == []


def is_running(pid):
    """Whether it is more than an entry that the host's init has not taken in yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def interrupt(process, is_at_work, number=signal.SIGINT):
    """Signals it once that holds; returns what it had said, and what of its children is still there."""
    deadline = time.monotonic() + 240
    # Asked once: a program that was seen may have ended by the next look, with another of the same work in its place.
    while not (seen := is_at_work()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    children = imgbuild.children_of(process.pid)
    assert seen and process.poll() is None, process.communicate()[1]
    process.send_signal(number)
    out, errors = process.communicate(timeout=90)
    assert (process.returncode, out) == (128 + number, ""), errors
    assert errors.splitlines()[-1] == INTERRUPTED
    return [command for pid, command in children if is_running(pid)]


def start(cache, *arguments, **changes):
    return subprocess.Popen([str(PROGRAM), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True,
                            env=imgbuild.environment(IMGBUILD_ROOT=imgbuild.ROOT, XDG_CACHE_HOME=cache, **changes))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_bootstrap_leaves_nothing(tmp_path, number):
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    process = start(tmp_path, "base", "bootstrap")
    left = interrupt(process, lambda: any("dpkg" in command for command in running_below(process.pid)), number)
    assert left == [] and temporaries(tmp_path) == []
    assert [path.name for path in (tmp_path / "imgbuild" / "bases").iterdir()] == [".lock"]
    assert pathlib.Path("/proc/self/mountinfo").read_text() == mounts


@pytest.fixture
def site(tmp_path):
    """A publisher's site with one image, of which it sends the half and then nothing."""
    folder = tmp_path / "site"
    image = folder / "20240101-1000" / "debian-12-generic-amd64-20240101-1000.qcow2"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"image" * 40_000)
    pathlib.Path(f"{image}.how").write_text('{"stall": 100000}')
    server = subprocess.Popen([sys.executable, str(imgbuild.ROOT / "tests/base_server.py"), str(folder)])
    while not (folder / "port").exists():
        time.sleep(0.05)
    yield folder, hashlib.sha256(image.read_bytes()).hexdigest()
    server.terminate()
    server.wait()


def test_an_interrupted_fetch_leaves_nothing_but_what_it_can_go_on_with(tmp_path, site):
    folder, digest = site
    process = start(tmp_path, "base", "fetch", "debian-12", "--image-mirror", f"https://127.0.0.1:{(folder / 'port').read_text()}/",
                    "--serial", "20240101-1000", "--sha256", digest, IMGBUILD_CA_FILE=folder / "ca.pem")
    requests = folder / "requests.jsonl"
    left = interrupt(process, lambda: requests.exists() and '"sent": 100000' in requests.read_text())
    assert left == [] and temporaries(tmp_path) == []
    downloads = tmp_path / "imgbuild" / "downloads"
    kept = sorted(path.name for path in downloads.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    assert kept in ([], [f"debian-12-{digest}.part"], [f"debian-12-{digest}.part", f"debian-12-{digest}.part.etag"])
    assert list((tmp_path / "imgbuild" / "bases").glob("*")) in ([], [tmp_path / "imgbuild/bases/.lock"])
