"""What stands beside an image: list of files, SBOM, signatures and provenance, read by programs of others."""
import base64
import hashlib
import json
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
