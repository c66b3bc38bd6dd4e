"""An X.509 certificate of a machine, read strictly: what it says, and whether it is one that peers may pin.

Only DER is accepted, as the standard asks for, so that no two readers can see two different certificates in one text.
Signatures are left to the openssl program (verify()).
"""
import base64
import binascii
import calendar
import hashlib
import os
import re
import ssl
import time
from dataclasses import dataclass

from . import der
from .errors import on_one_line

BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----\n((?:[A-Za-z0-9+/=]{1,76}\n)+)-----END CERTIFICATE-----\n?")
SIGNATURES = {"1.2.840.113549.1.1.11", "1.2.840.113549.1.1.12", "1.2.840.113549.1.1.13",   # RSA with SHA-256, 384, 512
              "1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3", "1.2.840.10045.4.3.4"}         # ECDSA with the same
RSA, EC = "1.2.840.113549.1.1.1", "1.2.840.10045.2.1"
CURVES = {"1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"}                           # P-256, P-384, P-521
KEY_USAGE, ALTERNATIVE_NAMES, BASIC_CONSTRAINTS, EXTENDED_USAGE = "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37"
SERVER, CLIENT, ANY_USE = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"
MAX_RSA_BITS = 8192


@dataclass(frozen=True)
class Certificate:
    der: bytes
    dns_names: tuple
    not_before: int    # seconds since 1970
    not_after: int

    @property
    def pem(self):
        """The one canonical PEM form."""
        return ssl.DER_cert_to_PEM_cert(self.der)

    @property
    def sha256(self):
        """64 hex digits: what people compare."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def sha1(self):
        """40 hex digits: all that nginx can tell. It only picks a name among certificates that were found equal before."""
        return hashlib.sha1(self.der).hexdigest()

    def days_left(self, now=None):
        return int((self.not_after - (time.time() if now is None else now)) // 86400)


def read(pem):
    """The leaf in `pem`, which may hold nothing else. Throws ValueError that says what is wrong with it."""
    data = _decode(pem)
    try:
        return _certificate(data)
    except (der.Malformed, UnicodeDecodeError):
        raise ValueError("must be a certificate in DER form, is none") from None


def check_time(certificate, now):
    """Throws ValueError unless it is valid now."""
    if now < certificate.not_before:
        raise ValueError(f"is valid only from {_day(certificate.not_before)} on")
    if now > certificate.not_after:
        raise ValueError(f"has expired on {_day(certificate.not_after)}")


def verify(host, certificate):
    """Throws ValueError unless openssl finds that it signed itself and is fit as client and server."""
    handle = os.memfd_create("certificate", 0)
    try:
        os.write(handle, certificate.pem.encode("ascii"))
        path = f"/proc/self/fd/{handle}"
        done = host.run(["openssl", "verify", "-no-CApath", "-no-CAstore", "-check_ss_sig", "-CAfile", path, path],
                        pass_fds=(handle,))
    finally:
        os.close(handle)
    if done.returncode != 0:
        said = re.findall(r"error \d+ at \d+ depth lookup: ([^\n]*)", done.stderr or "")
        raise ValueError(f"is refused by openssl: {on_one_line(said[0] if said else 'it cannot be read')}")


def grouped(fingerprint):
    """A fingerprint in the form that two people read to each other: groups of 4, 8 groups a line."""
    groups = [fingerprint[i:i + 4].upper() for i in range(0, len(fingerprint), 4)]
    return [" ".join(groups[i:i + 8]) for i in range(0, len(groups), 8)]


def _decode(pem):
    begins = re.findall(r"-----BEGIN ([A-Z0-9 ]*)-----", pem)
    if any("PRIVATE KEY" in label for label in begins):
        raise ValueError("must be one certificate, holds a private key, which must never leave its machine")
    if len(begins) > 1:
        raise ValueError(f"must be one certificate, holds {len(begins)}")
    found = BLOCK.fullmatch(pem)
    if not found:
        raise ValueError("must be one certificate in PEM form and nothing else")
    text = found.group(1).replace("\n", "")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if base64.b64encode(data).decode("ascii") != text:
        raise ValueError("must be one certificate in PEM form and nothing else")
    return data


def _certificate(data):
    tbs, algorithm, _ = der.sequence(der.only(data), 3)
    fields = der.children(tbs)
    if not fields or fields[0].tag != 0xA0 or der.integer(der.only(fields[0].value)) != 2:
        raise ValueError("must be a certificate of version 3")
    if len(fields) < 8:
        raise der.Malformed
    _, _, inner, issuer, validity, subject, key = fields[:7]
    if inner.whole != algorithm.whole or der.oid(der.children(inner)[0]) not in SIGNATURES:
        raise ValueError("must be signed with RSA or ECDSA and SHA-256, SHA-384 or SHA-512")
    if issuer.whole != subject.whole:
        raise ValueError("must be signed by itself, is signed by another")
    _check_key(key)
    begins, ends = (_seconds(item) for item in der.sequence(validity, 2))
    return Certificate(data, _dns_names(_extensions(fields[7:])), begins, ends)


def _check_key(key):
    algorithm, bits = der.sequence(key, 2)
    kind, parameters = der.sequence(algorithm, 2)
    name = der.oid(kind)
    if name == RSA:
        modulus, exponent = (der.integer(item) for item in der.sequence(der.only(der.bit_string(bits)), 2))
        if exponent < 65537 or exponent % 2 == 0:
            raise ValueError(f"must have an RSA key with the exponent 65537 or a larger one, has {exponent}")
        if not 2048 <= modulus.bit_length() <= MAX_RSA_BITS:
            raise ValueError(f"must have an RSA key of 2048 to {MAX_RSA_BITS} bits, has one of {modulus.bit_length()}")
    elif name != EC or der.oid(parameters) not in CURVES:
        raise ValueError("must have an RSA key or one on the curve P-256, P-384 or P-521")


def _extensions(fields):
    """Values by name. What says that the key may sign other certificates is refused here."""
    rows = [der.children(row) for field in fields if field.tag == 0xA3 for row in der.children(der.only(field.value))]
    names = [der.oid(row[0]) for row in rows]
    if len(set(names)) != len(names):
        raise der.Malformed
    found = {name: der.octets(row[-1]) for name, row in zip(names, rows)}
    if BASIC_CONSTRAINTS not in found or der.only(found[BASIC_CONSTRAINTS]).whole != b"\x30\x00":
        raise ValueError("must say CA:FALSE, for a peer must not be able to make other peers")
    usage = der.bit_string(der.only(found[KEY_USAGE])) if KEY_USAGE in found else b"\x80"
    if (usage[:1] or b"\0")[0] & 0x04:
        raise ValueError("must not have the use 'certificate sign', for a peer must not be able to make other peers")
    uses = {der.oid(item) for item in der.children(der.only(found[EXTENDED_USAGE]))} if EXTENDED_USAGE in found else {ANY_USE}
    if ANY_USE not in uses and not {SERVER, CLIENT} <= uses:
        raise ValueError("must be for servers and clients of TLS")
    return found


def _dns_names(extensions):
    if ALTERNATIVE_NAMES not in extensions:
        return ()
    items = der.children(der.only(extensions[ALTERNATIVE_NAMES]))
    return tuple(item.value.decode("ascii") for item in items if item.tag == 0x82)


def _seconds(item):
    """UTCTime or GeneralizedTime, in the one form that RFC 5280 (4.1.2.5) allows."""
    text = item.value.decode("ascii")
    if item.tag == 0x17 and re.fullmatch(r"\d{12}Z", text):
        text = ("20" if text < "5" else "19") + text
    elif item.tag != 0x18 or not re.fullmatch(r"\d{14}Z", text):
        raise der.Malformed
    try:
        return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))
    except ValueError:
        raise der.Malformed from None


def _day(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
