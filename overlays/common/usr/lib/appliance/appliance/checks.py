"""`appliance selftest`: looks at the machine from outside of its configuration files."""
import http.client
import json
import socket
import ssl
from dataclasses import dataclass

from . import environment as environments
from . import mutual, peers, postgres
from .errors import ApplianceError

CERTIFICATE = "/srv/certs/selfsigned/cert.pem"
KEY = "/srv/certs/selfsigned/key-nopass.pem"
# ssl.VERIFY_X509_PARTIAL_CHAIN has a name only since Python 3.10; the number is OpenSSL's.
PARTIAL_CHAIN = 0x80000


@dataclass(frozen=True)
class Result:
    name: str
    problem: str = ""


def run(host, environment, role):
    """All results, in a fixed order; one with an empty problem passed."""
    rows = [("firewall is loaded and drops", lambda: firewall(host)),
            ("secret files are private", lambda: private(host)),
            ("own name resolves", lambda: own_name(environment))]
    rows += [(f"unit {unit} is active", lambda unit=unit: unit_active(host, unit)) for unit in units(host, role)]
    rows += [(f"port {port} answers", lambda port=port: connects(port)) for port in ports(role)]
    if any(row.get("tls") for row in role.listen):
        rows.append(("https shows our certificate", lambda: https(host, environment)))
    rows += [(f"nginx has the peer list on port {port}",
              lambda port=port: mutual.check_list(host, environment, port, peers.current(host))) for port in peers.ports(role)]
    for row in role.databases:
        rows += _database_rows(host, environment, row)
    return [Result(name, _problem(check)) for name, check in rows]


def _database_rows(host, environment, row):
    name = row["name"]
    if "password" not in row:
        return [(f"database {name} takes its user", lambda: database(host, name, None))]
    password = environment.settings[row["password"]]
    return [(f"database {name} takes its password", lambda: database(host, name, password)),
            (f"database {name} refuses others", lambda: refuses(host, name))]


def units(host, role):
    """The units of the role, with PostgreSQL's version filled in."""
    found = [row["unit"] for row in role.units]
    return found + [postgres.unit(host)] if role.databases else found


def ports(role):
    """TCP ports that must answer on the loopback address; a payload's may come later or not at all."""
    return sorted({row["port"] for row in role.listen if row.get("protocol", "tcp") == "tcp" and not row.get("payload")})


def firewall(host):
    rules = json.loads(host.command(["nft", "-j", "list", "table", "inet", "appliance"]))["nftables"]
    policies = {rule["chain"]["name"]: rule["chain"].get("policy") for rule in rules if "chain" in rule}
    for chain in ("input", "forward"):
        if policies.get(chain) != "drop":
            raise ApplianceError(f"chain {chain} has policy {policies.get(chain)}, must be drop")


def private(host):
    for path in (environments.PATH, KEY):
        status = host.path(path).stat()
        if status.st_mode & 0o077:
            raise ApplianceError(f"{path}: has mode {status.st_mode & 0o7777:04o}, must be 0600")


def own_name(environment):
    machine = environment.machine
    found = sorted({entry[4][0] for entry in socket.getaddrinfo(machine.name, None)})
    if found != [machine.private_ip]:
        raise ApplianceError(f"'{machine.name}' is {', '.join(found)}, must be {machine.private_ip} alone")


def unit_active(host, unit):
    state = (host.run(["systemctl", "is-active", unit]).stdout or "").strip()
    if state != "active":
        raise ApplianceError(f"is {state or 'unknown'}")


def connects(port, address="127.0.0.1"):
    with socket.create_connection((address, port), timeout=10):
        pass


def https(host, environment, address="127.0.0.1", port=443):
    """Handshake verified against exactly our certificate and both of our names, then an answer of 200 or 503."""
    for name in (environment.domain, environment.machine.name):
        context = ssl.create_default_context(cafile=str(host.path(CERTIFICATE)))
        context.verify_flags |= PARTIAL_CHAIN
        with socket.create_connection((address, port), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secure:
                secure.sendall(f"GET /status HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode("ascii"))
                answer = http.client.HTTPResponse(secure)
                answer.begin()
                if answer.status not in (200, 503):
                    raise ApplianceError(f"https://{name}/status answers {answer.status}")


def database(host, name, password):
    _, encoding = postgres.login(host, name, password)
    if encoding != "UTF8":
        raise ApplianceError(f"has encoding {encoding}, must be UTF8")


def refuses(host, name):
    """A wrong password must not do: that finds a `trust` line that slipped in."""
    try:
        postgres.login(host, name, "certainly not the password")
    except ApplianceError:
        return
    raise ApplianceError("takes any password")


def _problem(check):
    try:
        check()
    except ApplianceError as error:
        return "; ".join(error.problems)
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        return f"{error}" or type(error).__name__
    return ""
