"""The exchange of peer packages from the ops machine, and what a link lets in afterwards."""
import json
import subprocess

import pytest

from deployment import ADDRESSES, AUTHORITIES, WEB, fingerprint

# Says what the peer at ADDRESS:PORT answers to a client with this key and certificate: a status, or how it hung up.
ASK = """
import json, socket, ssl, sys
request = json.loads(sys.stdin.read())
context = ssl._create_unverified_context()
if request["version"]: context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, request["version"])
if request["certificate"]:
    import tempfile
    with tempfile.NamedTemporaryFile("w") as pair:
        pair.write(request["key"] + request["certificate"]); pair.flush()
        context.load_cert_chain(pair.name)
try:
    with context.wrap_socket(socket.create_connection((request["address"], request["port"]), 30), server_hostname=request["name"]) as link:
        link.sendall(f"GET /appliance/peer HTTP/1.1\\r\\nHost: {request['name']}\\r\\nConnection: close\\r\\n\\r\\n".encode())
        answer = b""
        while True:
            piece = link.recv(65536)
            if not piece: break
            answer += piece
    print(answer.split(b" ", 2)[1].decode(), answer.rpartition(b"\\r\\n\\r\\n")[2].decode().strip())
except (ssl.SSLError, OSError) as error:
    print("refused", error)
"""


def ask(source, target, key="", certificate="", version=None):
    """(status, body) of target's peer port, asked from the machine `source`."""
    port = 14453 if target.name in WEB else 5000
    request = json.dumps({"address": target.address, "port": port, "name": target.name, "key": key, "certificate": certificate, "version": version})
    source.ssh("cat > /tmp/ask.py", input=ASK)
    said = source.ssh("python3 /tmp/ask.py", input=request).stdout.strip()
    return tuple(said.split(" ", 1)) if " " in said else (said, "")


def pair_of(fleet, name):
    """(key, certificate) of a machine, as the vault holds them."""
    folder = fleet.vault / ("shared/web" if name in WEB else f"machines/{name}")
    return (folder / "tls.key").read_text(), (folder / "tls.crt").read_text()


@pytest.fixture(scope="module")
def exchanged(fleet):
    """All packages exchanged, each fingerprint read from the vault, as two people would read it to each other."""
    listed = fleet.folder / "fingerprints"
    lines = []
    for name in ADDRESSES:
        folder = fleet.vault / ("shared/web" if name in WEB else f"machines/{name}")
        lines.append(f"{name} {fingerprint(folder / 'tls.crt')}\n")
    listed.write_text("".join(lines))
    fleet.listed = listed
    fleet.exchange = lambda: fleet.imgbuild("peers", "exchange", "--yes", "--fingerprints", listed, "--ssh-config", fleet.ssh_config)
    result = fleet.exchange()
    assert result.returncode == 0, result.stdout + result.stderr
    return fleet


def test_before_the_exchange_nobody_gets_in(fleet):
    key, certificate = pair_of(fleet, "prod-a1")
    assert ask(fleet["prod-a1"], fleet["prod-a2"], key, certificate)[0] in ("400", "refused")
    verdict = fleet.imgbuild("peers", "verify", "--ssh-config", fleet.ssh_config)
    assert verdict.returncode == 4, verdict.stdout + verdict.stderr


def test_a_wrong_fingerprint_installs_nothing(fleet):
    wrong = fleet.folder / "wrong"
    wrong.write_text("".join(f"{name} {'0' * 64}\n" for name in ADDRESSES))
    result = fleet.imgbuild("peers", "exchange", "--yes", "--fingerprints", wrong, "--ssh-config", fleet.ssh_config)
    assert result.returncode == 4, result.stdout + result.stderr
    assert fleet["prod-a1"].ssh("sudo eopeers --list --json").stdout.strip() == "[]"


def test_the_exchange_proves_every_link(exchanged):
    verdict = exchanged.imgbuild("peers", "verify", "--ssh-config", exchanged.ssh_config)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    installed = {name: {peer["hostname"] for peer in json.loads(exchanged[name].ssh("sudo eopeers --list --json").stdout)} for name in ADDRESSES}
    assert installed == {"prod-s1": {"prod-a1", "prod-a2"}, "prod-s2": {"prod-a1", "prod-a2"},
                         "prod-a1": {"prod-s1", "prod-s2", "prod-a2"}, "prod-a2": {"prod-s1", "prod-s2", "prod-a1"}}


def test_a_second_exchange_changes_nothing(exchanged):
    again = exchanged.exchange()
    assert again.returncode == 0
    assert "nothing" in (again.stdout + again.stderr).lower()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_only_installed_peers_get_in(exchanged, version, tmp_path):
    source, target = exchanged["prod-a1"], exchanged["prod-a2"]
    key, certificate = pair_of(exchanged, "prod-a1")
    assert ask(source, target, key, certificate, version) == ("200", "prod-a1")
    refused = {"no certificate": ("", ""), "unlisted": stranger(tmp_path, "nobody"), "same name, other key": stranger(tmp_path, "prod-a1"),
               "minted by a listed peer": minted(tmp_path, key, certificate)}
    for what, (other_key, other) in refused.items():
        status, _ = ask(source, target, other_key, other, version)
        assert status in ("400", "refused"), what


def test_web_machines_are_known_to_authorities_and_back(exchanged):
    web, authority = pair_of(exchanged, "prod-s1"), pair_of(exchanged, "prod-a2")
    status, names = ask(exchanged["prod-s2"], exchanged["prod-a1"], *web)
    assert (status, set(names.replace(",", " ").split())) == ("200", set(WEB))
    assert ask(exchanged["prod-a2"], exchanged["prod-s1"], *authority) == ("200", "prod-a2")


def test_a_removed_peer_is_out_within_two_seconds_and_can_come_back(exchanged):
    target = exchanged["prod-a2"]
    key, certificate = pair_of(exchanged, "prod-a1")
    # Held open from before: a connection that was let in must end too.
    hold = HOLD.replace("ADDRESS", target.address)
    exchanged["prod-a1"].ssh("cat > /tmp/hold.py", input=hold)
    held = subprocess.Popen(exchanged["prod-a1"].ssh_command("python3 /tmp/hold.py"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    held.stdin.write(json.dumps({"key": key, "certificate": certificate}) + "\n")
    held.stdin.flush()
    assert held.stdout.readline().strip() == "200"
    removed = target.ssh("sudo eopeers --remove prod-a1 && date +%s.%N").stdout.split()[-1]
    ended = held.stdout.readline().split()
    held.stdin.close()
    held.wait(60)
    assert ended[0] == "ended" and float(ended[1]) - float(removed) < 2 + CLOCK_DIFFERENCE, (ended, removed)
    assert ask(exchanged["prod-a1"], target, key, certificate)[0] in ("400", "refused")
    assert exchanged.imgbuild("peers", "verify", "--ssh-config", exchanged.ssh_config).returncode == 4
    back = exchanged.exchange()
    assert back.returncode == 0, back.stdout + back.stderr
    assert ask(exchanged["prod-a1"], target, key, certificate) == ("200", "prod-a1")


def test_changes_of_peers_are_in_the_audit_log(exchanged):
    log = exchanged["prod-a2"].ssh("sudo cat /var/log/appliance/audit.log").stdout
    assert "prod-a1" in log and len(log.splitlines()) >= 4


CLOCK_DIFFERENCE = 2  # seconds between two emulated machines' clocks
HOLD = """
import json, socket, ssl, sys, tempfile, time
request = json.loads(sys.stdin.readline())
context = ssl._create_unverified_context()
with tempfile.NamedTemporaryFile("w") as pair:
    pair.write(request["key"] + request["certificate"]); pair.flush()
    context.load_cert_chain(pair.name)
link = context.wrap_socket(socket.create_connection(("ADDRESS", 5000), 30))
link.settimeout(120)
link.sendall(b"GET /appliance/peer HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
print(link.recv(65536).split(b" ", 2)[1].decode(), flush=True)
try:
    while link.recv(65536): pass
except OSError: pass
print("ended", time.time(), flush=True)
"""


def stranger(folder, name):
    """(key, certificate) of nobody who was installed."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    run_openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                "-days", "30", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=CA:FALSE")
    return key.read_text(), certificate.read_text()


def minted(folder, key, certificate):
    """(key, certificate chain) that a listed peer signed with its own key."""
    issuer_key, issuer = folder / "issuer.key", folder / "issuer.crt"
    issuer_key.write_text(key)
    issuer.write_text(certificate)
    new_key, request, made = folder / "minted.key", folder / "minted.csr", folder / "minted.crt"
    run_openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", new_key, "-out", request, "-subj", "/CN=prod-s1")
    run_openssl("x509", "-req", "-in", request, "-CA", issuer, "-CAkey", issuer_key, "-CAcreateserial", "-out", made, "-days", "30")
    return new_key.read_text(), made.read_text() + certificate


def run_openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
