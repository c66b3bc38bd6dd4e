"""The built image: complete, repeatable, free of secrets, and never half-made."""
import base64
import hashlib
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import threading
import time

import pytest

import imgbuild_program as imgbuild


def digest(path):
    hash = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            hash.update(chunk)
    return hash.hexdigest()


def snapshot(folder):
    return {path.name: (digest(path), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_prints_exactly_the_paths_of_its_results(built):
    assert built.stdout.split() == [str(built.image), str(built.manifest), str(built.seed)]


def test_results_have_the_modes_promised(built):
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (built.image, built.manifest, built.seed)}
    assert list(modes.values()) == [0o644, 0o644, 0o600]
    assert stat.S_IMODE(built.vault.stat().st_mode) == 0o700
    open_to_others = [p for p in built.vault.rglob("*") if p.is_file() and p.suffix not in (".crt", ".pub")
                      and p.name != ".gitignore" and p.stat().st_mode & 0o077]
    assert open_to_others == []


def test_manifest_describes_the_image(built):
    manifest = json.loads(built.manifest.read_text())
    artifact = manifest["artifacts"][0]
    assert artifact["sha256"] == digest(built.image) and artifact["size"] == built.image.stat().st_size
    names = {package["name"] for package in manifest["packages"]}
    assert {"nginx", "postgresql", "cloud-init", "openssh-server"} <= names
    assert manifest["base"]["name"] == "bootstrap" and len(manifest["base"]["digest"]) == 64
    for secret in [*built.secrets().values(), "demo-s1", imgbuild.DOMAIN, str(built.folder)]:
        assert secret not in built.manifest.read_text()


def test_a_second_run_finds_the_image_and_changes_nothing(built):
    before = snapshot(built.image.parent)
    begin = time.monotonic()
    result = imgbuild.run_ok("recipe", "web-master", "--env", built.environment, "-o", built.output)
    assert result.stdout == built.stdout
    assert "nothing changed" in result.stderr
    assert snapshot(built.image.parent) == before
    assert time.monotonic() - begin < 30  # a rebuild would take longer; figures are in tests/bench


def test_a_damaged_image_is_built_again(built, tmp_path):
    golden = digest(built.image)
    with open(built.image, "r+b") as file:
        file.seek(200_000)
        byte = file.read(1)
        file.seek(200_000)
        file.write(bytes([byte[0] ^ 1]))
    imgbuild.run_ok("recipe", "web-master", "--env", built.environment, "-o", built.output)
    assert digest(built.image) == golden


def test_another_folder_zone_locale_and_umask_give_the_same_bytes(built, tmp_path):
    other = tmp_path / "another folder"
    other.mkdir()
    environment = imgbuild.write_environment(other, built.public_key, name="other", domain="other.example.net")
    imgbuild.run_ok("recipe", "web-master", "--env", environment, "-o", other / "out", "--rebuild", cwd=other,
                    prefix=["bash", "-c", "umask 077; exec \"$@\"", "-"], TZ="Asia/Tokyo", LC_ALL="de_AT.UTF-8",
                    TMPDIR=other)
    image = other / "out" / "other" / "web-master.qcow2"
    assert digest(image) == digest(built.image)
    assert stat.S_IMODE(image.stat().st_mode) == 0o644


def encodings(secret):
    text = secret.encode()
    yield text
    yield text.hex().encode()
    yield text.decode().encode("utf-16-le")
    yield text[::-1]
    for shift in range(3):  # base64 of the secret wherever it begins; the ends depend on neighbours
        encoded = base64.b64encode(b"x" * shift + text)
        yield encoded[4 if shift else 0:-4]


def test_no_secret_is_anywhere_on_the_raw_disk(built, tmp_path):
    raw = tmp_path / "disk.raw"
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", built.image, raw], check=True)
    secrets = built.secrets()
    assert len(secrets) > 10
    patterns = tmp_path / "patterns"
    lines = [pattern for secret in secrets.values() for pattern in encodings(secret)]
    lines += [b"demo-s1", imgbuild.DOMAIN.encode(), built.public_key.split()[1].encode(), str(built.folder).encode()]
    patterns.write_bytes(b"\n".join(lines) + b"\n")
    # The scan itself must be able to find something: the same file with one secret appended has a hit.
    grep = ["grep", "-a", "-c", "-F", "-f", patterns]
    probe = tmp_path / "probe"
    probe.write_bytes(b"\0" * 5000 + next(iter(secrets.values())).encode() + b"\n")
    assert subprocess.run([*grep, probe], capture_output=True, text=True).stdout.strip() == "1"
    scan = subprocess.Popen(["grep", "-a", "-m", "5", "-o", "-F", "-f", patterns], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            env={**os.environ, "LC_ALL": "C"})
    hits = []
    reader = threading.Thread(target=lambda: hits.append(scan.stdout.read()))
    reader.start()
    for piece in data_of(raw):
        scan.stdin.write(piece.replace(b"\0", b"\n"))
    scan.stdin.close()
    reader.join()
    assert (hits, scan.wait()) == ([b""], 1)


def data_of(path):
    """All bytes of a sparse file that are no hole; joined they are the runs as they lie on the disk."""
    with open(path, "rb") as file:
        end, position = os.fstat(file.fileno()).st_size, 0
        while position < end:
            try:
                position = os.lseek(file.fileno(), position, os.SEEK_DATA)
            except OSError:  # only a hole is left
                return
            hole = os.lseek(file.fileno(), position, os.SEEK_HOLE)
            while position < hole:
                piece = os.pread(file.fileno(), min(1 << 22, hole - position), position)
                position += len(piece)
                yield piece


def leftovers():
    folders = [imgbuild.CACHE / "imgbuild" / name for name in ("work", "layers")]
    return imgbuild.abandoned(path for folder in folders if folder.exists() for path in folder.iterdir() if path.name.startswith("tmp-"))


def mounts_below(folder):
    return [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if str(folder) in line]


# In "generalizing" overlayfs copies files up, where a signal ends the call that caused it.
@pytest.mark.parametrize("stage, number", [("unpacking base", signal.SIGINT), ("packages", signal.SIGTERM), ("services", signal.SIGINT),
                                           ("generalizing", signal.SIGHUP), ("assembling the disk", signal.SIGINT),
                                           ("writing web-master", signal.SIGTERM)])
def test_an_interrupt_in_any_stage_leaves_nothing(built, tmp_path, stage, number):
    process = imgbuild.start("recipe", "web-master", "--env", built.environment, "-o", tmp_path / "out", "--rebuild",
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert any(line.startswith(stage) for line in iter(process.stderr.readline, "")), f"there was no stage '{stage}'"
    children = imgbuild.children_of(process.pid)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert "interrupted" in errors
    assert not list((tmp_path / "out").rglob("*.qcow2"))
    assert [child for child in children if pathlib.Path(f"/proc/{child[0]}").exists()] == []
    assert leftovers() == []
    assert mounts_below(imgbuild.CACHE) == []
    assert list((tmp_path / "out").rglob("tmp-*")) == []


def test_a_kill_is_swept_by_the_next_run(built, tmp_path):
    process = imgbuild.start("recipe", "web-master", "--env", built.environment, "-o", tmp_path / "out", "--rebuild",
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(6)
    children = imgbuild.children_of(process.pid)
    process.kill()
    process.wait()
    time.sleep(2)
    assert [child for child in children if pathlib.Path(f"/proc/{child[0]}").exists()] == []
    assert mounts_below(imgbuild.CACHE) == []
    imgbuild.run_ok("recipe", "web-master", "--env", built.environment, "-o", tmp_path / "out")
    assert leftovers() == []
    assert digest(tmp_path / "out" / "demo" / "web-master.qcow2") == digest(built.image)


def test_two_builds_at_once_both_succeed_with_the_same_bytes(built, tmp_path):
    cache = tmp_path / "cache" / "imgbuild"  # without layers
    cache.mkdir(mode=0o700, parents=True)
    subprocess.run(["cp", "-al", imgbuild.CACHE / "imgbuild" / "bases", imgbuild.CACHE / "imgbuild" / "downloads", cache], check=True)
    folders = [tmp_path / name for name in ("one", "two", "two")]  # the first two meet at the layers, the others at the image too
    processes = [imgbuild.start("recipe", "web-master", "--env", built.environment, "-o", folder,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, XDG_CACHE_HOME=cache.parent) for folder in folders]
    results = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], results
    assert sum(errors.count("unpacking base bootstrap …\n") for _, errors in results) == 1
    for folder in folders:
        assert digest(folder / "demo" / "web-master.qcow2") == digest(built.image)


def copy_project(folder):
    for name in ("recipes", "overlays", "cidata"):
        shutil.copytree(imgbuild.ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("*.vault", "__pycache__"))


def test_an_edit_runs_what_follows_it_and_equals_a_clean_build(built, tmp_path):
    copy_project(tmp_path)
    (tmp_path / "overlays/web/etc/motd.d").mkdir(parents=True)
    (tmp_path / "overlays/web/etc/motd.d/trial").write_text("one file more\n")
    arguments = ["recipe", "web-master", "--env", built.environment, "-o", tmp_path / "out"]
    why = imgbuild.run_ok("explain", *arguments[1:], IMGBUILD_ROOT=tmp_path).stdout
    assert [line.split()[1] for line in why.splitlines()[1:]][-2:] == ["miss", "miss"] and "hit" in why
    edited = imgbuild.run_ok(*arguments, IMGBUILD_ROOT=tmp_path)
    assert "packages:" not in edited.stderr and "overlay: web …" in edited.stderr
    incremental = digest(tmp_path / "out/demo/web-master.qcow2")
    assert incremental != digest(built.image)
    clean = imgbuild.run_ok(*arguments, "--rebuild", IMGBUILD_ROOT=tmp_path)
    assert "packages:" in clean.stderr
    assert digest(tmp_path / "out/demo/web-master.qcow2") == incremental


def test_a_full_output_disk_is_said_and_nothing_stays(built, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    script = 'mount -t tmpfs -o size=64m tmpfs "$1" && shift && "$@"; status=$?; ls -A "$SMALL/demo"; exit $status'
    result = imgbuild.run("recipe", "web-master", "--env", built.environment, "-o", small, SMALL=small,
                          prefix=["unshare", "-m", "bash", "-c", script, "-", str(small)])
    assert result.returncode == 5, result.stderr
    assert "hint: " in result.stderr
    assert "qcow2" not in result.stdout


@pytest.fixture
def scratch_user():
    with imgbuild.scratch_user() as name:
        yield name


def test_without_root_the_same_bytes_come_out(built, scratch_user):
    home = pathlib.Path("/home") / scratch_user
    project = home / "project"
    project.mkdir()
    copy_project(project)
    for name in ("imgbuild", "mke2fs_preload.so"):
        shutil.copy(imgbuild.BUILD / name, home / name)
    shutil.copytree(imgbuild.CACHE / "imgbuild" / "bases", home / ".cache" / "imgbuild" / "bases")
    environment = imgbuild.write_environment(home, built.public_key)
    subprocess.run(["chown", "-R", f"{scratch_user}:", home], check=True)
    (home / ".cache" / "imgbuild").chmod(0o700)
    result = subprocess.run(["su", scratch_user, "-c", f"cd && IMGBUILD_ROOT=~/project exec ./imgbuild recipe web-master --env {environment} -o out"],
                            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)
    assert result.returncode == 0, result.stderr
    image = home / "out" / "demo" / "web-master.qcow2"
    assert digest(image) == digest(built.image)
    assert image.owner() == scratch_user
