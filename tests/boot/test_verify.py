"""What stands beside an image, and whether a disk is still what its manifest says: images that never ran, and machines that did."""
import base64
import hashlib
import json
import pathlib
import shutil
import subprocess

import jsonschema
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

import imgbuild_program as imgbuild

SCHEMAS = imgbuild.ROOT / "tests" / "data" / "sbom"


def manifest_of(built):
    return json.loads(built.manifest.read_text())


def document(built, kind):
    return built.manifest.parent / f"web-master.{kind}"


def file_list(built):
    text = subprocess.run(["zstd", "-dcq", document(built, "mtree.zst")], capture_output=True, text=True, check=True).stdout
    heading, *lines = text.splitlines()
    assert heading == "#mtree"
    return {line.split(" ")[0][1:] or "/": dict(word.split("=", 1) for word in line.split(" ")[1:]) for line in lines}


def test_documents_are_beside_the_image_with_the_digests_of_the_manifest(built):
    documents = manifest_of(built)["documents"]
    assert [d["file"] for d in documents] == ["web-master.mtree.zst", "web-master.spdx.json", "web-master.cdx.json"]
    for entry in documents:
        content = (built.manifest.parent / entry["file"]).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (entry["sha256"], entry["size"])


def test_list_names_every_file_as_another_program_reads_it(built, tmp_path):
    plain = tmp_path / "list"
    subprocess.run(["zstd", "-dq", document(built, "mtree.zst"), "-o", plain], check=True)
    names = subprocess.run(["bsdtar", "-tf", plain], capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"}).stdout.splitlines()
    files = file_list(built)
    assert len(names) == len(files) > 15_000
    assert files["/etc/machine-id"]["sha256digest"] == hashlib.sha256(b"").hexdigest()
    assert files["/usr/bin/sudo"]["mode"] == "4755"
    image = json.loads((built.manifest.parent / "web-master.manifest.json").read_text())
    assert image["epoch"] >= max(int(float(entry["time"])) for entry in files.values())


def test_packages_that_steps_installed_have_the_digest_of_their_file(built):
    packages = {package["name"]: package for package in manifest_of(built)["packages"]}
    store = imgbuild.CACHE / "imgbuild" / "downloads" / "packages" / "packages"
    for name in ("nginx", "postgresql", "repmgr"):
        file = store / f"{packages[name]['sha256']}.deb"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == packages[name]["sha256"]
        control = subprocess.run(["dpkg-deb", "-f", file, "Package", "Version"], capture_output=True, text=True, check=True).stdout
        assert control == f"Package: {name}\nVersion: {packages[name]['version']}\n"


def check_schema(document_path, schema_name):
    schemas = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    schema = schemas[schema_name]
    store = {key: value for value in schemas.values() for key in (value.get("$id"),) if key}
    store.update({f"http://cyclonedx.org/schema/{name}": value for name, value in schemas.items()})
    resolver = jsonschema.RefResolver.from_schema(schema, store=store)
    validator = jsonschema.Draft7Validator(schema, resolver=resolver, format_checker=jsonschema.FormatChecker())
    value = json.loads(document_path.read_text())
    assert [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(value)] == []
    broken = json.loads(document_path.read_text())
    broken.pop("specVersion", None)
    broken.pop("spdxVersion", None)
    assert list(validator.iter_errors(broken)) != []
    return value


def test_cyclonedx_follows_its_schema_and_names_every_package(built):
    bom = check_schema(document(built, "cdx.json"), "bom-1.5.SNAPSHOT.schema.json")
    packages = {(p["name"], p["version"]) for p in manifest_of(built)["packages"]}
    assert {(c["name"], c["version"]) for c in bom["components"]} == packages
    references = [c["bom-ref"] for c in bom["components"]]
    assert len(set(references)) == len(references)


def test_spdx_follows_its_schema_and_names_every_package(built):
    spdx = check_schema(document(built, "spdx.json"), "spdx-2.3.schema.json")
    packages = {(p["name"], p["version"]) for p in manifest_of(built)["packages"]}
    assert {(p["name"], p["versionInfo"]) for p in spdx["packages"] if p["SPDXID"] != "SPDXRef-image"} == packages
    ids = [p["SPDXID"] for p in spdx["packages"]]
    assert len(set(ids)) == len(ids)


def test_nothing_beside_the_image_names_the_deployment_or_holds_a_secret(built):
    for kind in ("spdx.json", "cdx.json"):
        text = document(built, kind).read_text()
        assert [secret for secret in [*built.secrets().values(), "demo-s1", imgbuild.DOMAIN, str(built.folder)] if secret in text] == []


class Signer:
    def __init__(self, folder, name):
        self.key, self.public = folder / f"{name}.key", folder / f"{name}.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.key], check=True)
        subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-out", self.public], check=True)
        self.key.chmod(0o600)


@pytest.fixture
def release(built, tmp_path):
    """A copy of the files that are handed out, to sign."""
    folder = tmp_path / "release"
    folder.mkdir()
    for path in [built.manifest, *(document(built, kind) for kind in ("mtree.zst", "spdx.json", "cdx.json"))]:
        shutil.copy(path, folder)
    (folder / built.image.name).hardlink_to(built.image)
    return folder / built.manifest.name


def test_signatures_of_two_of_three_are_enough(release, tmp_path):
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    signers = [Signer(tmp_path, name) for name in ("ann", "bob", "eve")]
    for signer in signers:
        shutil.copy(signer.public, trusted)
    verify = ["verify", "--manifest", release, "--trusted-keys", trusted, "--require", 2]
    signed = imgbuild.run_ok("sign", release, "--key", signers[0].key)
    assert signed.stdout.splitlines() == [str(release.with_suffix(".sig.json")), str(release.parent / "web-master.intoto.json")]
    result = imgbuild.run(*verify)
    assert (result.returncode, result.stderr) == (
        4, f"imgbuild: '{release.with_suffix('.sig.json')}': 1 of 2 required signatures, by keys in '{trusted}'\n")
    imgbuild.run_ok("sign", release, "--key", signers[1].key)
    assert [line.split(" (")[0] for line in imgbuild.run_ok(*verify).stdout.splitlines()] == [
        f"signed by {trusted}/ann.pem", f"signed by {trusted}/bob.pem"]
    for signer in signers:
        body = "".join(signer.key.read_text().splitlines()[1:-1])
        assert body not in signed.stdout + signed.stderr + "".join(p.read_text() for p in release.parent.glob("*.json"))


def test_provenance_is_a_dsse_envelope_that_others_can_check(release, tmp_path):
    signer = Signer(tmp_path, "ann")
    imgbuild.run_ok("sign", release, "--key", signer.key)
    envelope = json.loads((release.parent / "web-master.intoto.json").read_text())
    body = base64.b64decode(envelope["payload"], validate=True)
    kind = envelope["payloadType"]
    assert kind == "application/vnd.in-toto+json"
    encoded = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(body), body)
    key = load_pem_public_key(signer.public.read_bytes())
    signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
    key.verify(signature, encoded)
    with pytest.raises(InvalidSignature):
        key.verify(signature, encoded + b" ")
    statement = json.loads(body)
    assert statement["_type"] == "https://in-toto.io/Statement/v1" and statement["predicateType"] == "https://slsa.dev/provenance/v1"
    digests = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    for name, digest in digests.items():
        assert hashlib.sha256((release.parent / name).read_bytes()).hexdigest() == digest
    assert set(digests) == {"web-master.qcow2", "web-master.mtree.zst", "web-master.spdx.json", "web-master.cdx.json"}
    definition = statement["predicate"]["buildDefinition"]
    assert definition["buildType"] and definition["resolvedDependencies"] and statement["predicate"]["runDetails"]["builder"]["id"]


def test_files_that_are_not_the_manifests_are_found_without_a_disk(release):
    assert imgbuild.run_ok("verify", "--manifest", release).stdout == ""
    spdx = release.parent / "web-master.spdx.json"
    right = hashlib.sha256(spdx.read_bytes()).hexdigest()
    spdx.write_text("{}")
    (release.parent / "web-master.cdx.json").unlink()
    result = imgbuild.run("verify", "--manifest", release)
    assert (result.returncode, result.stdout, result.stderr) == (
        4, f"{spdx}: must have SHA-256 {right}\n{release.parent}/web-master.cdx.json: is missing\n",
        f"imgbuild: '{release.parent}': is not what the manifest '{release}' describes\n")


def refusal(*arguments):
    result = imgbuild.run(*arguments)
    assert result.stdout == ""
    return result.returncode, result.stderr


def test_bad_input_is_refused_before_a_disk_is_opened(release, built, tmp_path):
    overlay = tmp_path / "overlay.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", built.image, overlay], check=True)
    hint = "hint: `qemu-img convert -O qcow2` on the machine it comes from makes one whole file of it\n"
    for command in (["verify", "--manifest", release], ["inspect"]):
        assert refusal(command[0], overlay, *command[1:]) == (3, f"reading the disk …\nimgbuild: '{overlay}': needs a backing file\n{hint}")
    assert refusal("verify", overlay) == (3, f"imgbuild: '{overlay}': no manifest beside it names it\nhint: say which one it must match: --manifest FILE\n")
    text = release.read_text()
    release.write_text(text.replace('"role":', '"role"', 1))
    line, column = text[:text.index('"role":')].count("\n") + 1, len('  "role" "web-master"')
    assert refusal("verify", built.image, "--manifest", release) == (3, f"imgbuild: {release}:{line}:{column}: is no JSON text from here on\n")
    assert refusal("verify", built.image, "--manifest", tmp_path / "none") == (3, f"imgbuild: '{tmp_path}/none': there is no such manifest\n")
    assert refusal("verify") == (2, "imgbuild: verify: DISK, or --manifest FILE, or both are needed\n")
    assert refusal("diff", built.image, built.manifest) == (
        2, f"imgbuild: diff: two disks, or two manifests: '{built.image}' and '{built.manifest}' are one of each\n")


def test_an_image_that_never_ran_is_what_its_manifest_says(built):
    report = json.loads(imgbuild.run_ok("verify", built.image, "--pristine", "--json").stdout)
    assert (report["intact"], report["differences"], report["excepted"]) == (True, [], [])
    assert report["compared"] == len(file_list(built))


@pytest.fixture(scope="session")
def disk_that_ran(built, tmp_path_factory):
    """What a machine left, as one whole file."""
    folder = tmp_path_factory.mktemp("ran")
    if built.ran is None:
        built.ran = folder / "disk.qcow2"
        imgbuild.BootedMachine(folder, built.image, "--seed", built.seed, "--disk", built.ran).stop()
    raw = folder / "ran.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", built.ran, raw], check=True)
    return raw


def test_on_a_machine_that_ran_only_what_was_tampered_with_is_found(built, disk_that_ran, tmp_path):
    root = next(p for p in manifest_of(built)["layout"]["partitions"] if p.get("mount_point") == "/")
    offset = root["first_sector"] * 512
    file_system = f"{disk_that_ran}?offset={offset}"
    subprocess.run(["e2fsck", "-fy", file_system], capture_output=True)  # replays the journal, for debugfs does not
    door = tmp_path / "door"
    door.write_text("#!/bin/sh\n")
    commands = tmp_path / "commands"
    commands.write_text(f"cd /usr/local/bin\nwrite {door} door\nset_inode_field /usr/bin/passwd mode 0104777\n")
    subprocess.run(["debugfs", "-w", "-f", commands, file_system], check=True, capture_output=True)
    block = subprocess.run(["debugfs", "-R", "bmap /usr/sbin/nginx 3", file_system], check=True, capture_output=True, text=True).stdout
    with open(disk_that_ran, "r+b") as disk:
        disk.seek(offset + int(block) * 4096 + 77)
        byte = disk.read(1)[0]
        disk.seek(-1, 1)
        disk.write(bytes([byte ^ 0x10]))
    result = imgbuild.run("verify", disk_that_ran, "--manifest", built.manifest, "--json")
    report = json.loads(result.stdout)
    assert report["differences"] == [
        {"place": "/usr/bin/passwd", "what": "has mode 4777, must be 4755"},
        {"place": "/usr/local/bin/door", "what": "is not of the image: file, mode 0644, owner 0:0"},
        {"place": "/usr/sbin/nginx", "what": "has another content"}]
    assert result.returncode == 4 and f"'{disk_that_ran}': is not what the manifest '{built.manifest}' describes" in result.stderr
    assert {"/etc/machine-id", "/etc/hosts", "/etc/appliance/env.yml", "/etc/ssh/ssh_host_ed25519_key"} <= set(report["excepted"])


def test_inspect_shows_what_is_in_an_image(built):
    report = json.loads(imgbuild.run_ok("inspect", built.image, "--json").stdout)
    assert (report["format"], report["distribution"]) == ("qcow2", manifest_of(built)["base"]["distribution"])
    assert [(p["name"], p["version"]) for p in report["packages"]] == [(p["name"], p["version"]) for p in manifest_of(built)["packages"]]
    assert report["units"]["nginx.service"] == "enabled"
    settings = {(s["place"], s["name"]): s["value"] for s in report["settings"]}
    assert settings["sshd", "PermitRootLogin"] == "no"
    assert [u["name"] for u in report["users"]][0] == "root" and report["users"][0]["password"] == "locked"


def test_diff_of_manifests_shows_packages_and_files(built, release):
    assert imgbuild.run_ok("diff", built.manifest, release).stdout == ""
    lines = subprocess.run(["zstd", "-dcq", document(built, "mtree.zst")], capture_output=True, check=True).stdout
    lines = lines.replace(b"./etc/fstab type=file mode=0644", b"./etc/fstab type=file mode=0600")
    changed = subprocess.run(["zstd", "-cq", f"--stream-size={len(lines)}"], input=lines, capture_output=True, check=True).stdout
    listing = release.parent / "web-master.mtree.zst"
    listing.unlink()
    listing.write_bytes(changed)
    manifest = json.loads(release.read_text())
    manifest["documents"][0]["sha256"] = hashlib.sha256(changed).hexdigest()
    version = next(p for p in manifest["packages"] if p["name"] == "nginx")["version"]
    next(p for p in manifest["packages"] if p["name"] == "nginx")["version"] = "9"
    release.write_text(json.dumps(manifest))
    before, after, *rest = imgbuild.run_ok("diff", built.manifest, release).stdout.splitlines()
    assert before.startswith("- package nginx:") and before.endswith(f": {version}")
    assert after.startswith("+ package nginx:") and after.endswith(": 9")
    assert [line.split(" 0:0 ")[0] for line in rest] == ["- file /etc/fstab: f 0644", "+ file /etc/fstab: f 0600"]
