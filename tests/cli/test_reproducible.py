"""The same inputs give the same bytes in every format, whoever builds, where, when, and on what."""
import difflib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import imgbuild_program as imgbuild
from test_deployment import SmallProject
from test_formats import CAPABILITY, FILES, digest

DOCUMENTS = ["web-master.manifest.json", "web-master.mtree.zst", "web-master.spdx.json", "web-master.cdx.json"]
OTHERS = {"TZ": "Asia/Tokyo", "LC_ALL": "de_AT.UTF-8", "LANG": "tr_TR.UTF-8", "NO_COLOR": "1",
          "NO_FAKE_STAT": "1", "FAKE_UTIME": "0"}  # faketime shall lie about the clock, not about files


def make_project(folder):
    project = SmallProject(folder)
    project.script("web", f"""mkdir /opt/files && cd /opt/files
for i in $(seq 200); do echo $i >file$i; done
ln file1 hard && ln -s file2 soft && mkfifo -m 600 pipe
python3 -c 'import os; os.setxattr("file3", "security.capability", bytes.fromhex("{CAPABILITY}"))'
date +%N >/var/log/now && touch -d 2030-01-01 file4""")
    return project


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """As root, on the host's file system, with all processors."""
    project = make_project(tmp_path_factory.mktemp("plain"))
    result = project.run("recipe web-master", "--format", ",".join(FILES))
    assert result.returncode == 0, result.stderr
    return project.output / "prod"


@pytest.fixture(scope="module")
def built_elsewhere(tmp_path_factory):
    """By a user without rights, in memory (where folders list their files in another order), on one processor, in another year."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="imgbuild ", dir="/dev/shm"))
    try:
        with imgbuild.scratch_user() as name:
            project = make_project(folder)
            shutil.copytree(imgbuild.CACHE / "imgbuild" / "bases", folder / "cache" / "imgbuild" / "bases")
            (folder / "cache" / "imgbuild").chmod(0o700)
            for program in ("imgbuild", "mke2fs_preload.so"):
                shutil.copy(imgbuild.BUILD / program, folder)
            subprocess.run(["chown", "-R", f"{name}:", folder], check=True)
            env = {**OTHERS, "PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder / "cache"),
                   "IMGBUILD_ROOT": str(folder / "project")}
            command = ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", "taskset", "-c", "0", "sh", "-c", 'umask 077; exec "$@"', "-",
                       "faketime", "-f", "+400d", folder / "imgbuild", *project.arguments("recipe web-master", "--format", ",".join(FILES))[1:]]
            result = subprocess.run(command, env=env, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
            assert result.returncode == 0, result.stderr
            yield project.output / "prod"
    finally:
        shutil.rmtree(folder)


def test_the_same_files_come_out(built, built_elsewhere):
    lists = [subprocess.run(["zstd", "-dcq", folder / "web-master.mtree.zst"], capture_output=True, text=True, check=True).stdout.splitlines()
             for folder in (built, built_elsewhere)]
    changes = "\n".join(difflib.unified_diff(*lists, n=0, lineterm=""))
    assert not changes, changes[:3000]


@pytest.mark.parametrize("name", [*FILES.values(), *DOCUMENTS])
def test_the_same_bytes_come_out(built, built_elsewhere, name):
    assert digest(built / name) == digest(built_elsewhere / name)


def differences(one, other):
    """What diffoscope says, which looks into disks and archives."""
    found = subprocess.run(["diffoscope", "--no-progress", one, other], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert found.returncode in (0, 1), found.stderr
    return found.stdout


def test_diffoscope_finds_nothing(built, built_elsewhere, tmp_path):
    for name in [*FILES.values(), *DOCUMENTS]:
        assert differences(built / name, built_elsewhere / name) == "", name
    changed = tmp_path / "web-master.manifest.json"
    changed.write_text((built / changed.name).read_text().replace('"role": "web-master"', '"role": "web-slave"'))
    assert "web-slave" in differences(built / changed.name, changed)
