"""A peer package: one JSON object with the public facts of another machine. It comes from strangers.

    {"ssl_certificate": PEM, "ip_address": "192.168.50.6", "hostname": "prod-a1", "port": 5000, "version": 1}

`port` and `version` may be missing. Other keys are accepted and dropped, for the old tool wrote some.
"""
import ipaddress
import json
import time
from dataclasses import dataclass

from . import values, x509
from .errors import ApplianceError

MAX_BYTES = 32 * 1024
MAX_CERTIFICATE = 10_000
MAX_DEPTH = 8
VERSION = 1
AUTHORITY_PORT, WEB_PORT = 5000, 14453
REQUIRED = ("ssl_certificate", "ip_address", "hostname")


@dataclass(frozen=True)
class Package:
    hostname: str
    ip_address: str
    certificate: x509.Certificate
    port: int = AUTHORITY_PORT
    version: int = VERSION

    def text(self):
        """The package in one line, always the same for the same facts."""
        return json.dumps({"ssl_certificate": self.certificate.pem, "ip_address": self.ip_address,
                           "hostname": self.hostname, "port": self.port, "version": self.version})


def own(host, environment, private_address=False):
    """The Package of this machine."""
    machine = environment.machine
    address = machine.private_ip if private_address else machine.public_ip or machine.private_ip
    port = AUTHORITY_PORT if machine.role == "authority" else WEB_PORT
    return Package(machine.name, address, own_certificate(host), port)


def own_certificate(host):
    """Throws ApplianceError if this machine's certificate is missing or none that peers would take."""
    path = "/srv/certs/selfsigned/cert.pem"
    text = host.read_or_none(path)
    if text is None:
        raise ApplianceError(f"{path}: there is none")
    try:
        return x509.read(text)
    except ValueError as error:
        raise ApplianceError(f"{path}: {error}") from None


def parse(data, where):
    """The Package in the bytes `data`: its form alone. Throws ApplianceError with all its problems."""
    found = _object(data, where)
    problems = [f"{where}: key '{key}' is missing" for key in REQUIRED if key not in found]
    read = {}
    for key, rule in RULES.items():
        try:
            if key in found:
                read[key] = rule(found[key])
        except ValueError as error:
            problems.append(f"{where}: {key}: {error}")
    if problems:
        raise ApplianceError(*problems)
    return Package(certificate=read.pop("ssl_certificate"), **read)


def check(host, environment, role, package, where, now=None):
    """Throws ApplianceError unless this is a machine that ours exchanges packages with, and its certificate good."""
    problem = _who(environment, role, package)
    problems = [f"{where}: {problem}"] if problem else []
    try:
        x509.check_time(package.certificate, time.time() if now is None else now)
        if package.hostname not in package.certificate.dns_names:
            names = ", ".join(quoted(name) for name in package.certificate.dns_names) or "nobody"
            raise ValueError(f"must be for '{package.hostname}', is for {names}")
        x509.verify(host, package.certificate)
    except ValueError as error:
        problems.append(f"{where}: ssl_certificate: {error}")
    if problems:
        raise ApplianceError(*problems)


def wanted(environment, role):
    """The machines whose packages belong on this one: authorities know everybody but themselves, web nodes the authorities."""
    own_group = role.group_of(environment.machine)
    known = {"authorities": ("authorities", "web"), "web": ("authorities",)}.get(own_group, ())
    return [m for m in environment.machines if m.name != environment.machine.name and role.group_of(m) in known]


def _who(environment, role, package):
    name = package.hostname
    if name == environment.machine.name:
        return f"hostname: '{name}' is this machine itself"
    machine = next((m for m in environment.machines if m.name == name), None)
    if machine is None:
        return f"hostname: '{name}' is no machine of this deployment"
    if machine not in wanted(environment, role):
        return f"hostname: '{name}' is a {machine.role}, with which a {environment.machine.role} exchanges nothing"
    if package.ip_address not in (machine.private_ip, machine.public_ip):
        known = " or ".join(f"'{address}'" for address in (machine.private_ip, machine.public_ip) if address)
        return f"ip_address: must be {known}, is '{package.ip_address}'"
    return ""


def _object(data, where):
    if len(data) > MAX_BYTES:
        raise ApplianceError(f"{where}: is larger than {MAX_BYTES // 1024} KiB")
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_no_repetition, parse_constant=_no_number,
                           parse_int=lambda digits: int(digits) if len(digits) < 20 else _no_number(digits))
        depth = _depth(found)
    except UnicodeDecodeError:
        raise ApplianceError(f"{where}: is no UTF-8 text") from None
    except _Repeated as error:
        raise ApplianceError(f"{where}: key {quoted(error.key)} is there twice") from None
    except RecursionError:
        depth, found = MAX_DEPTH + 1, None
    except ValueError as error:
        said = getattr(error, "msg", "it has a number that is none or too long")
        raise ApplianceError(f"{where}: is no JSON text: {said}") from None
    if depth > MAX_DEPTH:
        raise ApplianceError(f"{where}: is nested deeper than {MAX_DEPTH} levels")
    if not isinstance(found, dict):
        raise ApplianceError(f"{where}: must be one JSON object, is {_kind(found)}")
    return found


class _Repeated(Exception):
    def __init__(self, key):
        super().__init__(key)
        self.key = key


def _no_repetition(pairs):
    found = {}
    for key, value in pairs:
        if key in found:
            raise _Repeated(key)
        found[key] = value
    return found


def _no_number(_):
    """NaN, Infinity, and digits without end, which older Pythons would work on for hours."""
    raise ValueError


def _depth(value):
    deeper = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, deeper), default=0) if isinstance(value, (dict, list)) else 0


def _kind(value):
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null",
             float: "a number with a point"}
    return kinds.get(type(value), "a number")


def quoted(text):
    """`text` in plain ASCII, so that a letter that only looks like another shows."""
    return f"'{ascii(text)[1:-1]}'" if len(text) <= 100 else f"'{ascii(text[:100])[1:-1]}…'"


def _text(value, limit):
    if not isinstance(value, str):
        raise ValueError(f"must be a text, is {_kind(value)}")
    if len(value) >= limit:
        raise ValueError(f"must be shorter than {limit} characters, has {len(value)}")
    return value


def _certificate(value):
    return x509.read(_text(value, MAX_CERTIFICATE))


def _hostname(value):
    text = _text(value, 100)
    try:
        return values.hostname(text)
    except ValueError as error:
        raise ValueError(f"{error}, is {quoted(text)}") from None


def _address(value):
    text = _text(value, 100)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        address = None
    if address is None or "%" in text or address.is_multicast or address.is_unspecified or address.is_loopback \
            or address.is_link_local or address.is_reserved:
        raise ValueError(f"must be one address of a machine, such as 192.168.50.4, is {quoted(text)}")
    return str(address)


def _number(value, highest):
    if type(value) is not int:
        raise ValueError(f"must be a whole number, is {_kind(value)}")
    if not 1 <= value <= highest:
        raise ValueError(f"must be a number from 1 to {highest}, is {value}")
    return value


def _version(value):
    if _number(value, 9999) > VERSION:
        raise ValueError(f"is {value}, but this machine knows {VERSION} as the newest: its image must be made anew")
    return value


RULES = {"ssl_certificate": _certificate, "ip_address": _address, "hostname": _hostname,
         "port": lambda value: _number(value, 65535), "version": _version}
