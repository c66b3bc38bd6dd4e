"""Who gets in and who does not, asked of a real nginx, with TLS 1.2 and 1.3, again and again."""
import json
import re
import subprocess
import time

import pytest
from machines import EC, make_pair, put

REPEATS = 20
TLS = pytest.mark.parametrize("tls", ["1.2", "1.3"])


@pytest.fixture(scope="module")
def server(fleet):
    """prod-a1, which knows prod-a2 and the web nodes."""
    fleet.forget()
    done = fleet.machines["prod-a1"].install(*[fleet.machines[name].package() for name in ("prod-a2", "prod-s1", "prod-s2")])
    assert done.returncode == 0, done.stderr
    return fleet.machines["prod-a1"]


def force(machine, name, folder):
    """Puts a certificate into the list that the checks would refuse."""
    package = {"hostname": name, "ip_address": "192.168.50.13", "ssl_certificate": (folder / "cert.pem").read_text()}
    put(machine.path("/tmp/forced"), json.dumps(package))
    machine.python("package = peer_package.parse(open('/tmp/forced', 'rb').read(), 'x')\n"
                   "peers.change(host, environment, role, {**peers.installed(host), package.hostname: package})")


def verdicts(fleet, server, pair, tls):
    return {fleet.verdict(server, pair, tls) for _ in range(REPEATS)}


@TLS
def test_an_installed_peer_gets_in_under_its_name(fleet, server, tls):
    assert verdicts(fleet, server, fleet.machines["prod-a2"].pair(), tls) == {(200, "prod-a2")}


@TLS
def test_web_nodes_with_one_certificate_get_in_under_both_names(fleet, server, tls):
    assert verdicts(fleet, server, fleet.machines["prod-s2"].pair(), tls) == {(200, "prod-s1,prod-s2")}


@TLS
def test_nobody_gets_in_without_a_certificate(fleet, server, tls):
    assert {status for status, _ in verdicts(fleet, server, None, tls)} == {400}


@TLS
def test_an_unlisted_certificate_is_refused(fleet, server, tls):
    assert {status for status, _ in verdicts(fleet, server, fleet.machines["prod-a3"].pair(), tls)} == {400}


@TLS
def test_the_same_name_with_another_key_is_refused(fleet, server, tls, tmp_path):
    folder = make_pair(tmp_path / "other", ["prod-a2", "vote.example.org"])
    assert {status for status, _ in verdicts(fleet, server, (folder / "cert.pem", folder / "key-nopass.pem"), tls)} == {400}


@TLS
def test_a_certificate_that_a_listed_peer_has_made_is_refused(fleet, server, tls, tmp_path):
    issuer, key = fleet.machines["prod-a2"].pair()
    put(tmp_path / "leaf", "basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:prod-a1\n")
    subprocess.run(["openssl", "req", "-newkey", *EC, "-nodes", "-keyout", "key", "-out", "csr", "-subj", "/CN=prod-a1"], cwd=tmp_path,
                   check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", "csr", "-CA", issuer, "-CAkey", key, "-set_serial", "7", "-days", "9", "-extfile", "leaf",
                    "-out", "minted"], cwd=tmp_path, check=True, capture_output=True)
    put(tmp_path / "chain", (tmp_path / "minted").read_text() + issuer.read_text())
    assert {status for status, _ in verdicts(fleet, server, (tmp_path / "chain", tmp_path / "key"), tls)} == {400}


@TLS
@pytest.mark.parametrize("times", [{"ends": "20250101000000Z"}, {"begins": "20390101000000Z"}], ids=["expired", "not yet valid"])
def test_a_listed_certificate_out_of_its_time_is_refused(fleet, server, tls, times, tmp_path):
    folder = make_pair(tmp_path / "pair", ["prod-a3"], **times)
    force(server, "prod-a3", folder)
    try:
        assert {status for status, _ in verdicts(fleet, server, (folder / "cert.pem", folder / "key-nopass.pem"), tls)} == {400}
    finally:
        server.eopeers("--remove", "prod-a3")


CLIENT = """
import socket, ssl, sys
address, port, certificate, key, tls = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.minimum_version = context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[tls]
context.load_cert_chain(certificate, key)

def connect(session=None):
    return context.wrap_socket(socket.create_connection((address, int(port)), timeout=5), session=session)

def get(connection):
    try:
        connection.sendall(b"GET /appliance/peer HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        return connection.recv(4096).split(b" ")[1].decode()
    except (OSError, IndexError):
        return "closed"

open_one = connect()
print(get(open_one), flush=True)
session = open_one.session
sys.stdin.readline()
print("open", get(open_one))
print("new", get(connect()))
print("resumed", get(connect(session)))
"""


@TLS
def test_a_removed_peer_is_out_at_once(fleet, server, tls):
    """With a new handshake, with the session of before, and on a connection that is still open."""
    peer = fleet.machines["prod-a4"]
    assert server.install(peer.package()).returncode == 0
    client = subprocess.Popen(["nsenter", "-t", fleet.stranger.pid, "-n", "/usr/bin/python3", "-c", CLIENT, server.address, str(server.port),
                               *map(str, peer.pair()), tls], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "200\n"
        # What counts begins when the tool has read and checked all and switches the list.
        before = server.path("/var/lib/eopeers/current").readlink()
        removing = subprocess.Popen(["nsenter", "-t", server.pid, "-m", "-n", "-p", "-u", "-r", "-w", "/usr/bin/eopeers", "--remove", peer.name],
                                    stdout=subprocess.PIPE, text=True)
        while server.path("/var/lib/eopeers/current").readlink() == before:
            time.sleep(0.005)
        switched = time.monotonic()
        assert removing.communicate(timeout=20)[0] == "prod-a4: removed\n"
        assert time.monotonic() - switched < 2
        found = client.communicate("\n", timeout=20)[0]
        assert found == "open closed\nnew 400\nresumed 400\n"
    finally:
        client.kill()


@TLS
def test_a_request_under_way_ends_with_the_removal(fleet, server, tls):
    """A peer that dribbles its request keeps its connection no longer than the old workers may live."""
    peer = fleet.machines["prod-a4"]
    server.install(peer.package())
    dribble = CLIENT.split("open_one =")[0] + (
        "import time\none = connect()\none.sendall(b'GET /appliance/peer HTTP/1.1\\r\\nHost: x\\r\\n')\nprint('begun', flush=True)\n"
        "sys.stdin.readline()\n"
        "try:\n    one.sendall(b'\\r\\n')\n    print(one.recv(4096)[:12])\nexcept OSError:\n    print(b'')\n")
    client = subprocess.Popen(["nsenter", "-t", fleet.stranger.pid, "-n", "/usr/bin/python3", "-c", dribble, server.address, str(server.port),
                               *map(str, peer.pair()), tls], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "begun\n"
        assert server.eopeers("--remove", peer.name).returncode == 0
        assert client.communicate("\n", timeout=20)[0] == "b''\n"
    finally:
        client.kill()


@TLS
def test_strangers_learn_no_name_of_a_peer(fleet, server, tls):
    said = fleet.stranger.run("openssl", "s_client", "-connect", f"{server.address}:{server.port}", f"-tls{tls.replace('.', '_')}",
                              "-servername", "prod-a1", input="").stdout
    shown = re.search(r"Acceptable client certificate CA names\n(.*?)\n(?:Requested|Client)", said, re.S).group(1)
    assert shown == "CN = prod-a1"
    assert not re.search("prod-(s|a[2-9])", said)


@pytest.mark.parametrize("words", [("-tls1",), ("-tls1_1",), ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"),
                                   ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0"),
                                   ("-tls1_2", "-cipher", "AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"),
                                   ("-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0")],
                         ids=["TLS 1.0", "TLS 1.1", "CBC", "CBC with SHA-1", "no forward secrecy", "no authentication"])
def test_old_protocols_and_ciphers_are_refused(fleet, server, words):
    for target in (server, fleet.machines["prod-s1"]):
        done = fleet.stranger.run("openssl", "s_client", "-connect", f"{target.address}:{target.port}", *words, input="")
        assert done.returncode == 1 and "Cipher is (NONE)" in done.stdout


def test_who_did_not_get_in_is_in_no_log_as_a_peer(fleet, server):
    """The access log's format puts the pinned name first; without a pin it is empty."""
    text = server.path("/etc/nginx/nginx.conf").read_text()
    assert """log_format peers '$remote_addr "$peer" """ in text


def test_the_payload_hears_of_the_certificate_that_nginx_saw(fleet, server):
    """A caller cannot say that it is somebody else by a header."""
    listen = """
import socket, os
path = "/run/election-orchestra/uwsgi.sock"
os.makedirs(os.path.dirname(path), exist_ok=True)
listener = socket.socket(socket.AF_UNIX); listener.bind(path); os.chmod(path, 0o666); listener.listen()
print("up", flush=True)
connection, _ = listener.accept()
head = connection.recv(4, socket.MSG_WAITALL)
data = connection.recv(int.from_bytes(head[1:3], "little"), socket.MSG_WAITALL)
found = []
while data:
    size = int.from_bytes(data[:2], "little"); key, data = data[2:2 + size], data[2 + size:]
    size = int.from_bytes(data[:2], "little"); value, data = data[2:2 + size], data[2 + size:]
    found.append((key.decode(), value.decode()))
connection.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
connection.close(); os.unlink(path)
import json; print(json.dumps(found))
"""
    payload = subprocess.Popen(["nsenter", "-t", server.pid, "-m", "-n", "-p", "-r", "-w", "/usr/bin/python3", "-c", listen],
                               stdout=subprocess.PIPE, text=True)
    assert payload.stdout.readline() == "up\n"
    certificate, key = fleet.machines["prod-a2"].pair()
    forged = [word for name in ("X-Sender-SSL-Certificate", "X_Sender_SSL_Certificate", "x-sender-ssl-certificate") for word in ("-H", f"{name}: forged")]
    fleet.stranger.run("curl", "-sk", "--max-time", "10", "--cert", str(certificate), "--key", str(key), *forged, f"https://{server.address}:5000/api/queues")
    found = json.loads(payload.communicate(timeout=20)[0])
    values = [value.replace("\t", "").strip() for name, value in found if "SENDER" in name.upper()]
    assert values == [certificate.read_text().strip()] * 2
    assert sorted(name for name, _ in found if "SENDER" in name.upper()) == ["HTTP_X_SENDER_SSL_CERTIFICATE", "X-Sender-SSL-Certificate"]


def test_what_an_authority_publishes_can_be_fetched_by_peers_alone(fleet, server):
    put(server.path("/srv/election-orchestra/server1/public/key"), "public key\n")
    server.check("chmod", "-R", "a+rX", "/srv/election-orchestra/server1")
    pair = fleet.machines["prod-a2"].pair()
    assert fleet.verdict(server, pair, path="/public_data/key") == (200, "public key")
    assert fleet.verdict(server, pair, path="/public_data../certs/key-nopass.pem")[0] in (400, 404, 502)
    assert fleet.verdict(server, fleet.machines["prod-a5"].pair(), path="/public_data/key")[0] == 400
