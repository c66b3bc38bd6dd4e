"""`imgbuild lock`, `--locked` and `imgbuild bundle`: a build that was pinned once gives the same bytes where there is no network."""
import hashlib
import json
import pathlib
import shutil
import subprocess

import pytest

import imgbuild_program as imgbuild
from test_deployment import SmallProject

OFFLINE = ["unshare", "-n"]


def copy_of_bases(folder):
    """A cache that has the base and nothing else."""
    bases = imgbuild.CACHE / "imgbuild" / "bases"
    if not list(bases.glob("bootstrap-*")):
        imgbuild.run_ok("base", "bootstrap", timeout=900)
    (folder / "imgbuild").mkdir(mode=0o700, parents=True)
    shutil.copytree(bases, folder / "imgbuild" / "bases")
    (folder / "imgbuild" / "bases").chmod(0o700)
    return folder


def digest_of(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class LockedProject(SmallProject):
    """A small project whose web role installs packages in two steps."""

    def __init__(self, folder, cache):
        super().__init__(folder)
        self.cache = cache
        for role in ("web-master", "web-slave"):
            recipe = folder / "project/recipes" / f"{role}.yml"
            recipe.write_text(recipe.read_text().replace(
                "  - run:", "  - packages: {install: [rsync], remove: [snapd]}\n  - packages: {install: [memcached]}\n  - run:"))
        self.environment = folder / "project" / "prod.yml"
        shutil.move(folder / "prod.yml", self.environment)
        self.lock = self.environment.with_suffix(".lock")

    def imgbuild(self, *arguments, prefix=(), cache=None, root=None):
        return subprocess.run([*prefix, str(imgbuild.BUILD / "imgbuild"), *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=900, cwd=self.folder,
                              env=imgbuild.environment(IMGBUILD_ROOT=root or self.folder / "project", XDG_CACHE_HOME=cache or self.cache))

    def ok(self, *arguments, **options):
        result = self.imgbuild(*arguments, **options)
        assert result.returncode == 0, result.stderr
        return result

    def recipe(self, *more, **options):
        return self.imgbuild("recipe", "web-master", "--env", self.environment, "-o", self.output, *more, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Locked, built, and bundled."""
    folder = tmp_path_factory.mktemp("lock")
    project = LockedProject(folder, copy_of_bases(folder / "cache"))
    project.locking = project.ok("lock", "--env", project.environment)
    built = project.recipe()
    assert built.returncode == 0, built.stderr
    project.image = digest_of(project.output / "prod" / "web-master.qcow2")
    project.bundle = folder / "prod.bundle"
    project.bundling = project.ok("bundle", "--env", project.environment, "-o", project.bundle)
    return project


@pytest.fixture
def project(tmp_path):
    return LockedProject(tmp_path, tmp_path / "cache")


def test_lock_names_every_package_that_is_new(built):
    lines = built.locking.stdout.splitlines()
    assert lines[0].split() == ["package", "old", "new"]
    assert any(line.startswith("memcached:amd64") and line.split()[1] == "-" for line in lines)
    steps = json.loads(built.lock.read_text())["steps"]
    assert [package["name"] for package in steps[0]["packages"]].count("rsync") == 1
    assert "rsync" not in [package["name"] for package in steps[1]["packages"]]


def test_a_second_lock_says_that_nothing_changed(built):
    before = built.lock.stat().st_mtime_ns
    assert built.ok("lock", "--env", built.environment).stdout == f"{built.lock}: nothing changed\n"
    assert built.lock.stat().st_mtime_ns == before


def test_locked_finds_the_image_without_a_network(built):
    result = built.recipe("--locked", prefix=OFFLINE)
    assert result.returncode == 0 and "nothing changed" in result.stderr


def test_the_same_lock_gives_the_same_bytes_again_without_a_network(built):
    result = built.recipe("--locked", "--rebuild", prefix=OFFLINE)
    assert result.returncode == 0, result.stderr
    assert digest_of(built.output / "prod" / "web-master.qcow2") == built.image


def test_a_bundle_is_printed_with_its_digest(built):
    assert built.bundling.stdout == f"{digest_of(built.bundle)}  {built.bundle}\n"


def test_a_bundle_gives_the_same_bytes_where_there_is_no_network(built, tmp_path):
    cache, folder = tmp_path / "cache", tmp_path / "project"
    (cache / "imgbuild").mkdir(mode=0o700, parents=True)
    imported = built.ok("bundle", "--import", built.bundle, "--sha256", digest_of(built.bundle), "-o", folder, prefix=OFFLINE, cache=cache)
    assert imported.stdout.splitlines()[0] == "base bootstrap" and imported.stdout.splitlines()[-1] == str(folder)
    shutil.copy(built.environment, folder / "prod.yml")
    result = built.imgbuild("recipe", "web-master", "--env", folder / "prod.yml", "-o", tmp_path / "out", "--locked", prefix=OFFLINE,
                            cache=cache, root=folder)
    assert result.returncode == 0, result.stderr
    assert digest_of(tmp_path / "out" / "prod" / "web-master.qcow2") == built.image


def test_a_bundle_is_the_same_every_time(built, tmp_path):
    built.ok("bundle", "--env", built.environment, "-o", tmp_path / "again.bundle")
    assert digest_of(tmp_path / "again.bundle") == digest_of(built.bundle)


def test_a_bundle_holds_no_secret_and_no_environment(built):
    listing = subprocess.run(["tar", "--zstd", "-tf", built.bundle], capture_output=True, text=True, check=True).stdout.splitlines()
    assert listing[0] == "bundle.json"
    assert "project/prod.lock" in listing and "project/recipes/web-master.yml" in listing and "project/cidata/web.yml" in listing
    assert [name for name in listing if "vault" in name or name.endswith("prod.yml") or "seed.iso" in name] == []


def test_a_damaged_bundle_changes_nothing(built, tmp_path):
    content = bytearray(built.bundle.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged = tmp_path / "damaged.bundle"
    damaged.write_bytes(content)
    cache = tmp_path / "cache"
    (cache / "imgbuild").mkdir(mode=0o700, parents=True)
    result = built.imgbuild("bundle", "--import", damaged, cache=cache)
    assert result.returncode == 4 and result.stderr.splitlines()[-1].startswith(f"imgbuild: {damaged}: ")
    assert list((cache / "imgbuild" / "bases").glob("bootstrap*")) == []
    assert list((cache / "imgbuild" / "downloads" / "packages").rglob("*.deb")) == []


def error_of(result):
    assert result.stdout == ""
    return result.returncode, result.stderr[result.stderr.index("imgbuild: "):].strip()


def test_locked_needs_a_lock(project):
    assert error_of(project.recipe("--locked")) == (
        3, f"imgbuild: {project.lock}: there is no lock\nhint: imgbuild lock --env {project.environment}")


def test_locked_needs_the_base_of_the_lock(project, built):
    shutil.copy(built.lock, project.lock)
    digest = json.loads(project.lock.read_text())["bases"][0]["digest"]
    assert error_of(project.recipe("--locked", prefix=OFFLINE)) == (
        3, f"imgbuild: base 'bootstrap' with the digest {digest} of the lock is not in the cache\n"
           "hint: build once with a network and without --locked, or: imgbuild bundle --import FILE")


def test_locked_needs_the_packages_of_the_lock(project, built):
    shutil.copy(built.lock, project.lock)
    copy_of_bases(project.cache)
    status, text = error_of(project.recipe("--locked", prefix=OFFLINE))
    assert status == 3 and text.startswith("imgbuild: not in the cache, or damaged there: '") and "memcached_" in text
    assert text.endswith("hint: build once with a network and without --locked, or: imgbuild bundle --import FILE")


def test_a_lock_is_used_without_being_asked_for(project, built):
    lock = json.loads(built.lock.read_text())
    lock["bases"][0]["name"] = "debian-12"
    project.lock.write_text(json.dumps(lock))
    assert error_of(project.recipe("--dry-run")) == (
        3, f"imgbuild: {project.lock}: has no base 'bootstrap'\nhint: imgbuild lock --env {project.environment}")


def test_explain_names_the_locked_package_that_changed(built):
    lock = json.loads(built.lock.read_text())
    package = next(package for package in lock["steps"][1]["packages"] if package["name"] == "memcached")
    package["version"], package["sha256"] = "9.9", "0" * 64
    changed = built.lock.with_suffix(".kept")
    built.lock.rename(changed)
    try:
        built.lock.write_text(json.dumps(lock))
        result = built.ok("explain", "web-master", "--env", built.environment, "-o", built.output, "--json")
    finally:
        changed.rename(built.lock)
    steps = json.loads(result.stdout)["steps"]
    number = next(i for i, step in enumerate(steps) if "memcached" in step["step"])
    assert [step["layer"] for step in steps] == ["hit"] * number + ["miss"] * (len(steps) - number)
    assert steps[number]["reasons"] == ["package memcached:amd64 changed"]


def test_bundle_needs_to_know_what_to_do(project):
    assert error_of(project.imgbuild("bundle")) == (2, "imgbuild: bundle: --env FILE or --import FILE is required")
