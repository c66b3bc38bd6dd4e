"""This machine's own key and certificate: brought by the seed, or, with `keys: machine`, made here once and never elsewhere.

A key that was there is never replaced: peers have pinned its certificate.
"""
import datetime
import os
import shutil

from . import scrub
from .errors import ApplianceError
from .host import make_folder, sync_folder

FOLDER = "/srv/certs/selfsigned"
KEY, CERTIFICATE = "key-nopass.pem", "cert.pem"
REQUEST = """[req]
distinguished_name = name
prompt = no
[name]
CN = {common_name}
[ca]
default_ca = own
[own]
database = {folder}/index
new_certs_dir = {folder}
default_md = sha256
policy = any
rand_serial = yes
[any]
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectKeyIdentifier = hash
subjectAltName = {names}
"""


def ensure(host, environment, now=None):
    """Makes key and certificate if the seed brought none; returns what it did, as sentences.

    Throws ApplianceError if one of the two is missing, or both on a machine that had them.
    """
    missing = [name for name in (KEY, CERTIFICATE) if not host.exists(f"{FOLDER}/{name}")]
    if not missing:
        return []
    if len(missing) == 1:
        raise ApplianceError(f"{FOLDER}/{missing[0]}: there is none: the seed should have brought it")
    if host.exists(scrub.CLOSED) or (host.path(FOLDER).is_dir() and any(host.path(FOLDER).iterdir())):
        raise ApplianceError(f"{FOLDER}: key and certificate are gone: bring them back, for peers know no others")
    _make(host, environment, now or datetime.datetime.now(datetime.timezone.utc))
    return ["made key and certificate of this machine"]


def _make(host, environment, now):
    """In a folder beside, which takes its name when it is complete: a power cut leaves both or none."""
    folder = host.path(f"{FOLDER}.new")
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder.parent)
    folder.mkdir(mode=0o700)
    names = ",".join(dict.fromkeys([f"DNS:{environment.machine.name}", f"DNS:{environment.domain}"]))
    (folder / "request").write_text(REQUEST.format(common_name=environment.machine.name, folder=folder, names=names))
    (folder / "index").touch()
    _openssl(host, folder, now)
    for path in folder.iterdir():
        if path.name not in (KEY, CERTIFICATE):
            path.unlink()
    for name, mode in ((KEY, 0o600), (CERTIFICATE, 0o644)):
        (folder / name).chmod(mode)
        _sync(folder / name)
    folder.chmod(0o755)
    sync_folder(folder)
    os.rename(folder, host.path(FOLDER))
    sync_folder(folder.parent)


def _openssl(host, folder, now):
    """The key is made in its file, never in an argument. Valid from a day before, for peers' clocks differ."""
    stamp = lambda days: (now + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")  # noqa: E731
    host.command(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                  "-out", f"{folder}/{KEY}"])
    host.command(["openssl", "req", "-new", "-config", f"{folder}/request", "-key", f"{folder}/{KEY}", "-out", f"{folder}/csr"])
    host.command(["openssl", "ca", "-batch", "-notext", "-selfsign", "-config", f"{folder}/request", "-extensions", "leaf",
                  "-keyfile", f"{folder}/{KEY}", "-in", f"{folder}/csr", "-startdate", stamp(-1), "-enddate", stamp(3650),
                  "-out", f"{folder}/{CERTIFICATE}"])


def _sync(path):
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
