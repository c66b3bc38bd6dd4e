"""Seeds and the vault, with a fault at every single change of the disk."""
import hashlib
import os
import pathlib
import stat
import subprocess
import time

import pytest

import imgbuild_program as imgbuild

PROGRAM = imgbuild.BUILD / "imgbuild"


def seed(environment, output, **changes):
    """The program itself: the launcher's checks are not what is tested here."""
    return subprocess.run([str(PROGRAM), "seed", "--env", str(environment), "-o", str(output)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env=imgbuild.environment(IMGBUILD_ROOT=imgbuild.ROOT, **changes), timeout=120)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_prints_the_path_and_keeps_the_seed_private(deployment, tmp_path):
    old = os.umask(0)
    try:
        result = seed(deployment, tmp_path / "out")
    finally:
        os.umask(old)
    path = tmp_path / "out" / "demo" / "demo-s1.seed.iso"
    assert (result.returncode, result.stdout) == (0, f"{path}\n"), result.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_same_environment_gives_the_same_bytes(deployment, tmp_path):
    for name in ("one", "two"):
        assert seed(deployment, tmp_path / name, TZ="Asia/Tokyo" if name == "two" else None).returncode == 0
    assert digest(tmp_path / "one/demo/demo-s1.seed.iso") == digest(tmp_path / "two/demo/demo-s1.seed.iso")


def test_a_changed_environment_is_a_new_instance_with_the_same_secrets(deployment, tmp_path):
    seed(deployment, tmp_path / "out")
    vault = deployment.with_suffix(".vault")
    before = {str(path): digest(path) for path in vault.rglob("*") if path.is_file()}
    first = instance_id(tmp_path / "out/demo/demo-s1.seed.iso")
    deployment.write_text(deployment.read_text().replace("Europe/Vienna", "Europe/Berlin"))
    assert seed(deployment, tmp_path / "out").returncode == 0
    assert instance_id(tmp_path / "out/demo/demo-s1.seed.iso") != first
    assert {str(path): digest(path) for path in vault.rglob("*") if path.is_file()} == before


def instance_id(iso):
    text = subprocess.run(["isoinfo", "-R", "-i", iso, "-x", "/meta-data"], capture_output=True, text=True, check=True).stdout
    return next(line for line in text.splitlines() if line.startswith("instance-id"))


def test_the_volume_is_what_cloud_init_looks_for(deployment, tmp_path):
    seed(deployment, tmp_path / "out")
    iso = tmp_path / "out/demo/demo-s1.seed.iso"
    label = subprocess.run(["blkid", "-p", "-s", "LABEL", "-o", "value", iso], capture_output=True, text=True).stdout.strip()
    assert label.lower() == "cidata"
    for option in ("-R", "-J"):
        listing = subprocess.run(["isoinfo", option, "-f", "-i", iso], capture_output=True, text=True).stdout.split()
        assert sorted(listing) == ["/meta-data", "/network-config", "/user-data"]


def test_no_secret_is_in_meta_data_or_network_config(deployment, tmp_path):
    seed(deployment, tmp_path / "out")
    iso = tmp_path / "out/demo/demo-s1.seed.iso"
    password = (deployment.with_suffix(".vault") / "passwords" / "iam_database_password").read_text().strip()
    for name in ("meta-data", "network-config"):
        text = subprocess.run(["isoinfo", "-R", "-i", iso, "-x", f"/{name}"], capture_output=True, text=True).stdout
        assert text and password not in text and "PRIVATE" not in text


def test_a_vault_open_to_others_is_refused(deployment, tmp_path):
    vault = deployment.with_suffix(".vault")
    vault.mkdir()
    vault.chmod(0o755)
    result = seed(deployment, tmp_path / "out")
    assert result.returncode == 3 and "chmod" in result.stderr
    assert not (tmp_path / "out" / "demo" / "demo-s1.seed.iso").exists()


def test_no_child_and_no_message_ever_shows_a_secret(deployment, tmp_path):
    trace = tmp_path / "trace"
    result = subprocess.run(["strace", "-f", "-s", "100000", "-v", "-e", "trace=execve", "-o", trace, str(PROGRAM), "seed", "--env", deployment,
                             "-o", tmp_path / "out"], capture_output=True, text=True, env=imgbuild.environment(IMGBUILD_ROOT=imgbuild.ROOT))
    assert result.returncode == 0, result.stderr
    passwords = [path.read_text().strip() for path in (deployment.with_suffix(".vault") / "passwords").iterdir()]
    assert len(passwords) == 4
    for password in passwords:
        assert password not in trace.read_text() + result.stdout + result.stderr


def calls_of(deployment, tmp_path):
    count = tmp_path / "count"
    seed(deployment, tmp_path / "counted", IMGBUILD_IO_FAULT=f"count:{count}")
    return int(count.read_text())


def is_in_use(path):
    """A certificate or public key without its private key is half of a pair that was never given to anybody."""
    secrets = {".crt": path.with_suffix(".key"), ".pub": path.with_suffix("")}
    return path.parent.parent.name in ("demo.vault", "machines", "shared", "demo-s1") and secrets.get(path.suffix, path).exists()


@pytest.mark.parametrize("action, statuses", [("enospc", {5}), ("eio", {1}), ("kill", {-9})])
def test_a_fault_at_every_change_of_the_disk_loses_nothing(deployment, tmp_path, action, statuses):
    """Writes, syncs, renames and spawns of a seed run from an empty vault fail, each in a run of its own (the vault's unit
    tests fail every single one); afterwards the same command works,
    what was in the vault is still there, and the earlier seed is old or new, never torn."""
    probe = tmp_path / "probe"
    probe.mkdir()
    calls = calls_of(imgbuild.write_environment(probe, deployment.read_text().split('"')[1]), probe)
    assert calls > 20
    for number in range(1, calls + 1, 4 if action == "kill" else 9):
        folder = tmp_path / f"{action}-{number}"
        folder.mkdir()
        environment = imgbuild.write_environment(folder, deployment.read_text().split('"')[1])
        result = seed(environment, folder / "out", IMGBUILD_IO_FAULT=f"{number}:{action}")
        torn = folder / "out" / "demo" / "demo-s1.seed.iso"
        if result.returncode == 0:
            continue  # a fault where failing is harmless, such as sweeping
        assert result.returncode in statuses, (number, result.stderr)
        before = {str(p): digest(p) for p in folder.rglob("*") if p.is_file() and p.name[0] != "." and is_in_use(p)}
        size = torn.stat().st_size if torn.exists() else None
        again = seed(environment, folder / "out")
        assert again.returncode == 0, (number, again.stderr)
        assert size in (None, torn.stat().st_size)
        after = {str(p): digest(p) for p in folder.rglob("*") if p.is_file()}
        assert before.items() <= after.items(), number
        imgbuild.remove(folder)
