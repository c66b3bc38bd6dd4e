"""Formats of an image: one small real image in all of them, read by programs of others; and formats that can't be had."""
import hashlib
import json
import os
import subprocess
import tarfile
import xml.etree.ElementTree as xml

import pytest

import imgbuild_program as imgbuild
from test_deployment import SmallProject

FILES = {"qcow2": "web-master.qcow2", "qcow2-zlib": "web-master.zlib.qcow2", "raw": "web-master.raw", "raw.zst": "web-master.raw.zst",
         "vmdk": "web-master.vmdk", "vhd": "web-master.vhd", "vhdx": "web-master.vhdx", "ova": "web-master.ova", "tar": "web-master.tar",
         "box-libvirt": "web-master.libvirt.box", "box-virtualbox": "web-master.virtualbox.box"}
CATALOG = "web-master.box.json"
GIB = 1 << 30
CAPABILITY = "0100000200200000000000000000000000000000"   # version 2, effective: cap_net_raw
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"


def output_of(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          **options).stdout


def digest(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def member_digest(archive, name):
    with tarfile.open(archive) as tar:
        return hashlib.sha256(tar.extractfile(name).read()).hexdigest()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One image in every format, from one run."""
    project = SmallProject(tmp_path_factory.mktemp("formats"))
    project.script("web", f"""touch /usr/local/bin/pinger
python3 -c 'import os; os.setxattr("/usr/local/bin/pinger", "security.capability", bytes.fromhex("{CAPABILITY}"))'""")
    words = [name for name in FILES if not name.startswith("box-")] + ["vagrant"]
    result = project.run("recipe web-master", "--format", ",".join(words))
    assert result.returncode == 0, result.stderr
    project.stdout, project.stderr, project.made_in = result.stdout, result.stderr, project.output / "prod"
    return project


@pytest.fixture
def project(tmp_path):
    return SmallProject(tmp_path)


def same_disk(built, file, driver):
    if driver != "vpc":
        output_of("qemu-img", "check", "-f", driver, file)
    output_of("qemu-img", "compare", "-f", "raw", "-F", driver, built.made_in / FILES["raw"], file)


def unpacked(built, archive, member, folder):
    with tarfile.open(built.made_in / FILES[archive]) as tar:
        tar.extract(member, folder)
    return folder / member


def test_prints_the_path_of_each_file(built):
    names = [*FILES.values(), CATALOG, "web-master.manifest.json", "prod-s1.seed.iso"]
    assert built.stdout.splitlines() == [str(built.made_in / name) for name in names]


def test_the_manifest_has_the_digest_of_each_format(built):
    artifacts = json.loads((built.made_in / "web-master.manifest.json").read_text())["artifacts"]
    assert [(row["format"], row["file"]) for row in artifacts] == list(FILES.items())
    for row in artifacts:
        path = built.made_in / row["file"]
        assert (row["sha256"], row["size"]) == (digest(path), path.stat().st_size), row["format"]
        assert path.stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize("name, driver", [("qcow2", "qcow2"), ("qcow2-zlib", "qcow2"), ("vmdk", "vmdk"), ("vhd", "vpc"), ("vhdx", "vhdx")])
def test_qemu_reads_the_same_disk(built, name, driver):
    same_disk(built, built.made_in / FILES[name], driver)


@pytest.mark.parametrize("archive, member, driver", [("ova", "web-disk1.vmdk", "vmdk"), ("box-libvirt", "box.img", "qcow2"),
                                                     ("box-virtualbox", "box-disk1.vmdk", "vmdk")])
def test_qemu_reads_the_same_disk_in_an_archive(built, tmp_path, archive, member, driver):
    same_disk(built, unpacked(built, archive, member, tmp_path), driver)


def test_zstd_reads_the_same_disk(built):
    output_of("sh", "-c", 'zstd -dc -- "$1" | cmp - "$2"', "-", built.made_in / FILES["raw.zst"], built.made_in / FILES["raw"])


def test_azure_takes_the_size_of_the_vhd(built):
    assert (built.made_in / FILES["vhd"]).stat().st_size == 4 * GIB + 512


def test_raw_and_vhd_stay_sparse(built):
    for name in ("raw", "vhd"):
        assert (built.made_in / FILES[name]).stat().st_blocks * 512 < 2 * GIB


def root_offset(raw):
    partitions = json.loads(output_of("sfdisk", "--json", raw))["partitiontable"]["partitions"]
    return max(partitions, key=lambda row: row["size"])["start"] * 512


def names_on_disk(raw, folder):
    listing = output_of("debugfs", "-R", f"ls -p {folder}", f"{raw}?offset={root_offset(raw)}")
    return {line.split("/")[5] for line in listing.splitlines() if line.startswith("/")} - {".", "..", "lost+found"}


def test_the_tar_is_the_root_tree_of_the_disk(built):
    with tarfile.open(built.made_in / FILES["tar"]) as tar:
        names = tar.getnames()
        assert tar.extractfile("./etc/appliance-test").read() == b"web\n"
        assert tar.getmember("./etc/shadow").mode == 0o640 and tar.getmember("./etc/shadow").gid == 42
        assert tar.getmember("./usr/bin/passwd").mode == 0o4755
        attribute = tar.getmember("./usr/local/bin/pinger").pax_headers["SCHILY.xattr.security.capability"]
        assert attribute.encode(errors="surrogateescape").hex() == CAPABILITY
    for folder in ("/", "/etc", "/usr/bin"):
        below = [name[1:].rpartition("/") for name in names if name != "."]
        assert {name for parent, _, name in below if (parent or "/") == folder} == names_on_disk(built.made_in / FILES["raw"], folder), folder


def test_the_ova_is_as_importers_want_it(built, tmp_path):
    file = built.made_in / FILES["ova"]
    with tarfile.open(file) as tar:
        assert [(member.name, member.pax_headers, member.uid) for member in tar] == [
            (name, {}, 0) for name in ("web.ovf", "web.mf", "web-disk1.vmdk")]
        sizes = {member.name: member.size for member in tar.getmembers()}
        lines = tar.extractfile("web.mf").read().decode()
    assert lines == "".join(f"SHA256({name})= {member_digest(file, name)}\n" for name in ("web.ovf", "web-disk1.vmdk"))
    descriptor = unpacked(built, "ova", "web.ovf", tmp_path)
    output_of("xmllint", "--noout", descriptor)
    root = xml.parse(descriptor).getroot()
    reference, disk = root.find(f"{OVF}References/{OVF}File"), root.find(f"{OVF}DiskSection/{OVF}Disk")
    assert (reference.get(f"{OVF}href"), reference.get(f"{OVF}size")) == ("web-disk1.vmdk", str(sizes["web-disk1.vmdk"]))
    assert (disk.get(f"{OVF}capacity"), disk.get(f"{OVF}capacityAllocationUnits")) == (str(4 * GIB), "byte")
    assert disk.get(f"{OVF}format").endswith("#streamOptimized")


def test_the_libvirt_box_says_what_it_is(built):
    with tarfile.open(built.made_in / FILES["box-libvirt"]) as tar:
        assert tar.getnames() == ["metadata.json", "Vagrantfile", "box.img"]
        assert json.load(tar.extractfile("metadata.json")) == {"provider": "libvirt", "format": "qcow2", "virtual_size": 4}


def test_the_catalog_names_the_boxes(built):
    catalog = json.loads((built.made_in / CATALOG).read_text())
    boxes = [{"name": provider, "url": f"file://{built.made_in / FILES['box-' + provider]}", "checksum_type": "sha256",
              "checksum": digest(built.made_in / FILES["box-" + provider]), "architecture": "amd64", "default_architecture": True}
             for provider in ("libvirt", "virtualbox")]
    assert catalog == {"name": "prod/web-master", "description": "a small web-master", "versions": [{"version": "1.0.0", "providers": boxes}]}


def test_the_same_again_changes_no_file_but_makes_a_lost_catalog(built):
    before = {path: path.stat().st_mtime_ns for path in built.made_in.iterdir() if path.suffix != ".json" and path.name[0] != "."}
    catalog = (built.made_in / CATALOG).read_text()
    (built.made_in / CATALOG).unlink()
    result = built.run("recipe web-master", "--format", ",".join(FILES))
    assert (result.returncode, result.stdout) == (0, built.stdout), result.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (built.made_in / CATALOG).read_text() == catalog


def test_vagrant_takes_the_boxes_and_sees_new_ones(project, tmp_path):
    made_in = project.output / "prod"
    env = {**os.environ, "VAGRANT_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "VAGRANT_CHECKPOINT_DISABLE": "1"}
    assert project.run("recipe web-master", "--format", "vagrant").returncode == 0
    for provider in ("libvirt", "virtualbox"):
        output_of("vagrant", "box", "add", "--provider", provider, made_in / CATALOG, env=env)
    listed = output_of("vagrant", "box", "list", env=env).splitlines()
    assert listed == [f"prod/web-master ({provider}, 1.0.0)" for provider in ("libvirt", "virtualbox")]
    assert output_of("vagrant", "box", "outdated", "--global", env=env).count("(v1.0.0) is up to date\n") == 2
    (project.folder / "project/overlays/web/etc/appliance-test").write_text("another\n")
    assert project.run("recipe web-master", "--format", "vagrant").returncode == 0
    assert output_of("vagrant", "box", "outdated", "--global", env=env).count("is outdated! Current: 1.0.0. Latest: 2.0.0\n") == 2


def refused(project, command, *more, status=3):
    """What is said; and nothing is written, not even the vault."""
    before = sorted(project.folder.rglob("*"))
    result = project.run(command, *more)
    assert (result.returncode, result.stdout) == (status, "")
    assert sorted(project.folder.rglob("*")) == before
    return result.stderr.strip()


@pytest.mark.parametrize("command", ["recipe web-master", "deployment"])
@pytest.mark.parametrize("formats, message", [
    ("qcow", "unknown format 'qcow', did you mean 'qcow2'?"),
    ("vhs,raw", "unknown format 'vhs', did you mean 'vhd'?"),
    ("floppy", "unknown format 'floppy', known are 'qcow2', 'qcow2-zlib', 'raw', 'raw.zst', 'vmdk', 'vhd', 'vhdx', 'ova', 'tar', "
               "'box-libvirt', 'box-virtualbox', 'vagrant'"),
    ("qcow2,qcow2", "format 'qcow2' is asked for twice"),
    ("vagrant,raw,box-libvirt", "format 'box-libvirt' is asked for twice")])
def test_formats_that_are_unknown_or_there_twice_are_refused(project, command, formats, message):
    assert refused(project, command, "--format", formats) == "imgbuild: " + message


@pytest.mark.parametrize("name", ["vmdk", "vhd", "ova", "box-virtualbox"])
def test_a_disk_that_does_not_fit_is_refused_before_work(project, name):
    recipe = project.folder / "project/recipes/web-master.yml"
    recipe.write_text(recipe.read_text().replace("disk: 4 GiB", "disk: 2041 GiB"))
    assert refused(project, "recipe web-master", "--format", name) == (
        f"imgbuild: format '{name}': holds disks of at most 2040 GiB, this one has 2041 GiB\n"
        "hint: a smaller 'disk:' in the recipe, or another format, such as qcow2")


@pytest.mark.parametrize("command", ["recipe web-master", "deployment", "seed"])
def test_an_output_folder_that_is_a_link_is_refused(project, command):
    elsewhere = project.folder / "elsewhere"
    elsewhere.mkdir()
    project.output.symlink_to(elsewhere)
    text = f"imgbuild: output folder '{project.output}': is a symbolic link to '{elsewhere}'\nhint: name the folder itself with -o"
    assert refused(project, command) == text
    project.output.unlink()
    project.output.mkdir()
    (project.output / "prod").symlink_to(elsewhere)
    assert refused(project, command) == text.replace(str(project.output), str(project.output / "prod"))


@pytest.mark.parametrize("command", ["recipe web-master", "deployment", "seed"])
def test_an_output_folder_that_is_a_file_is_refused(project, command):
    project.output.write_text("")
    assert refused(project, command) == f"imgbuild: output folder '{project.output}': is no folder\nhint: name another with -o"


@pytest.mark.parametrize("command", ["recipe web-master", "deployment", "seed"])
def test_an_output_folder_that_cannot_be_written_is_refused(project, command):
    project.output.mkdir()
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    arguments = ["unshare", "-m", "sh", "-c", script, "-", str(project.output), *project.arguments(command)]
    before = sorted(project.folder.rglob("*"))
    result = subprocess.run(arguments, env=project.variables(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.strip() == (f"imgbuild: output folder '{project.output}/prod': cannot write to '{project.output}': "
                                     "Read-only file system\nhint: name another with -o")
    assert sorted(project.folder.rglob("*")) == before
