"""Links between machines, tried by a client that was made for it: whom a peer's nginx lets in, and whom no more."""
import json
import shlex
import subprocess
import threading
import time

from deployment import WEB
from machines import EC, make_pair

# Reads a request; says what the peer answers to a client with its key and certificate, a status and a text. With `hold` it
# keeps the connection until the peer ends it, and then tries again, with the session of before and without.
CLIENT = r"""
import json, socket, ssl, sys, tempfile
request = json.loads(sys.stdin.readline())
context = ssl._create_unverified_context()
if request["version"]: context.minimum_version = context.maximum_version = ssl.TLSVersion[request["version"]]
if request["certificate"]:
    with tempfile.NamedTemporaryFile("w") as pair:
        pair.write(request["key"] + request["certificate"]); pair.flush()
        context.load_cert_chain(pair.name)

def connect(session=None):
    plain = socket.create_connection((request["address"], request["port"]), 60)
    return context.wrap_socket(plain, server_hostname=request["name"], session=session)

def get(link):
    link.sendall(f"GET /appliance/peer HTTP/1.1\r\nHost: {request['name']}\r\n\r\n".encode())
    head, _, body = link.recv(65536).partition(b"\r\n\r\n")
    return head.split(b" ", 2)[1].decode(), body.decode().strip()

def verdict(session=None):
    try:
        with connect(session) as link: return get(link)
    except (ssl.SSLError, OSError, IndexError) as error:
        return "refused", str(error)

def say(*words): print(*words, flush=True)

if not request["hold"]:
    say(*verdict())
    sys.exit()
held = connect()
say("held", get(held)[0], "resumed", verdict(held.session)[0])
try:
    while held.recv(65536): pass
except OSError: pass
say("ended")
sys.stdin.readline()
say("new", verdict()[0], "resumed", verdict(held.session)[0])
"""


def request(target, key, certificate, version, hold=False):
    port = 14453 if target.name in WEB else 5000
    return json.dumps({"address": target.address, "port": port, "name": target.name, "key": key, "certificate": certificate,
                       "version": version, "hold": hold}) + "\n"


COMMAND = f"python3 -c {shlex.quote(CLIENT)}"


def ask(source, target, key="", certificate="", version=None):
    """(status, text) of target's peer port, asked from the machine `source`."""
    status, _, text = source.ssh(COMMAND, input=request(target, key, certificate, version)).stdout.strip().partition(" ")
    return status, text


class Held:
    """A connection that was let in, and stays open."""

    def __init__(self, source, target, pair, version):
        self.process = subprocess.Popen(source.ssh_command(COMMAND), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(request(target, *pair, version, hold=True))
        self.process.stdin.flush()
        self.begin = self.process.stdout.readline().strip()
        self.watch = threading.Thread(target=self._wait)
        self.watch.start()

    def _wait(self):
        self.last = self.process.stdout.readline().strip()
        self.ended = time.monotonic()

    def again(self):
        """What the same client hears when it tries once more."""
        return self.process.communicate("\n", timeout=120)[0].strip()


def pair_of(fleet, name):
    """(key, certificate) of a machine, as the vault holds them."""
    folder = fleet.vault / ("shared/web" if name in WEB else f"machines/{name}")
    return (folder / "tls.key").read_text(), (folder / "tls.crt").read_text()


def made(folder, name, **options):
    """(key, certificate) of nobody who was installed."""
    made_in = make_pair(folder, [name], **options)
    return (made_in / "key-nopass.pem").read_text(), (made_in / "cert.pem").read_text()


def minted(folder, key, certificate):
    """(key, certificate chain) that a listed peer signed with its own key."""
    folder.mkdir()
    (folder / "issuer.key").write_text(key)
    (folder / "issuer.crt").write_text(certificate)
    openssl = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)  # noqa: E731
    openssl("req", "-newkey", *EC, "-nodes", "-keyout", "minted.key", "-out", "csr", "-subj", "/CN=prod-s1")
    openssl("x509", "-req", "-in", "csr", "-CA", "issuer.crt", "-CAkey", "issuer.key", "-set_serial", "7", "-days", "30", "-out", "minted.crt")
    return (folder / "minted.key").read_text(), (folder / "minted.crt").read_text() + certificate
