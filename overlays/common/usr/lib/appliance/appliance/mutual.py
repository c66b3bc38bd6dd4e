"""Mutual TLS from this machine's side: asking peers, and proving that our own nginx has the list it should have."""
import socket
import ssl
import time
from dataclasses import dataclass

from . import peer_package
from .errors import ApplianceError, on_one_line

CERTIFICATE = "/srv/certs/selfsigned/cert.pem"
KEY = "/srv/certs/selfsigned/key-nopass.pem"
PARTIAL_CHAIN = 0x80000   # ssl.VERIFY_X509_PARTIAL_CHAIN, which has a name only since Python 3.10
MAX_ANSWER = 64 * 1024
LINGER = 1.2   # seconds that an open connection may outlive its list


@dataclass(frozen=True)
class Target:
    """A server with mutual TLS, whose certificate is known exactly."""

    name: str
    address: str
    port: int
    pem: str


def ask(host, target, path, seconds=15):
    """(status, body) of a GET with our certificate. Throws ApplianceError that says why not, after `seconds` at the latest."""
    deadline = time.monotonic() + seconds
    try:
        with socket.create_connection((target.address, target.port), timeout=seconds) as plain:
            with _context(host, target).wrap_socket(plain, server_hostname=target.name) as secure:
                if ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True)) != target.pem:
                    raise ApplianceError("shows another certificate than the installed one")
                secure.sendall(f"GET {path} HTTP/1.0\r\nHost: {target.name}\r\n\r\n".encode("ascii"))
                return _answer(_all(secure, deadline))
    except ssl.SSLCertVerificationError:
        raise ApplianceError("shows another certificate than the installed one") from None
    except (OSError, ValueError) as error:
        raise ApplianceError(on_one_line(str(error)) or type(error).__name__) from None


def loaded_list(host, environment, port, seconds=15):
    """Name of the peer list that our own nginx works with. Throws ApplianceError if it does not say."""
    own = peer_package.own_certificate(host)
    status, body = ask(host, Target(environment.machine.name, "127.0.0.1", port, own.pem), "/appliance/list", seconds)
    if status != 200:
        raise ApplianceError(f"port {port} answers {status} to our own certificate")
    return body.strip()


def check_list(host, environment, port, wanted):
    """Throws ApplianceError unless nginx works with the list `wanted`."""
    found = loaded_list(host, environment, port)
    if found != wanted:
        raise ApplianceError(f"nginx works with peer list {found[:8] or 'none'}, must be {wanted[:8]}: reload it")


def reload(host, environment, wanted, ports, seconds=60, sleep=time.sleep):
    """Makes nginx take up the list `wanted`, and returns only when nothing of it works with another one.

    A worker with the old list could still serve an open connection; their end is part of the proof. An nginx that does
    not run is left alone, for it reads the list when it starts.
    """
    if not host.succeeds(["systemctl", "is-active", "--quiet", "nginx.service"]):
        return
    if all(_has(host, environment, port, wanted) for port in ports):
        return
    old = workers(host)
    host.command(["systemctl", "reload", "nginx.service"])
    begun = time.monotonic()
    while True:
        waiting = [port for port in ports if not _has(host, environment, port, wanted)]
        left = old & workers(host)
        if not waiting and not left:
            return
        passed = time.monotonic() - begun
        if not waiting and passed > LINGER:
            # nginx's own worker_shutdown_timeout leaves one alone that waits for the rest of a request.
            host.run(["kill", "-TERM", *sorted(left)])
        if passed > seconds:
            what = f"port {waiting[0]} works with another peer list" if waiting else "connections of before are still open"
            raise ApplianceError(f"nginx: {what} {seconds} s after its reload")
        sleep(0.05)


def workers(host):
    """Process numbers of nginx's workers."""
    master = (host.read_or_none("/run/nginx.pid") or "").strip()
    folders = host.path("/proc").glob("[0-9]*/stat")
    return {path.parent.name for path in folders if master and _parent(path) == master}


def _parent(path):
    """The parent in a /proc/N/stat, whose second field is a name in brackets that may hold anything."""
    try:
        return path.read_text(errors="replace").rpartition(")")[2].split()[1]
    except (OSError, IndexError):
        return ""


def _has(host, environment, port, wanted):
    try:
        return loaded_list(host, environment, port, seconds=10) == wanted
    except ApplianceError:
        return False


def _context(host, target):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= PARTIAL_CHAIN
    context.load_verify_locations(cadata=target.pem)
    context.load_cert_chain(host.path(CERTIFICATE), host.path(KEY))
    return context


def _all(secure, deadline):
    """What comes until the end. Throws OSError when it is too late, ValueError when it is too much."""
    received = b""
    while True:
        secure.settimeout(max(0.01, deadline - time.monotonic()))
        part = secure.recv(8192)
        if not part:
            return received
        received += part
        if len(received) > MAX_ANSWER:
            raise ValueError("answers with more than it should")
        if time.monotonic() > deadline:
            raise TimeoutError("answers too slowly")


def _answer(received):
    head, _, body = received.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ValueError("does not answer as a web server does")
    return int(words[1]), body.decode("utf-8", "replace")
