"""The peer list: whom this machine's mutual TLS lets in.

    /var/lib/eopeers/current -> GENERATION        the one switch: a link, replaced in one step
    /var/lib/eopeers/GENERATION/packages/HOST.package   what was installed, the source of the rest
    /var/lib/eopeers/GENERATION/calist            our certificate and theirs, for nginx and payloads
    /var/lib/eopeers/GENERATION/pins.conf         for nginx: which certificate is whom

A generation is complete before the link leads to it and is never written again, so that a power cut at any moment leaves
the old list or the new one. Its name is a digest of its content; nginx can be asked which one it has loaded.
"""
import hashlib
import json
import shutil

from . import audit, mutual, peer_package
from .errors import ApplianceError

FOLDER = "/var/lib/eopeers"
CURRENT = f"{FOLDER}/current"
CONFIGURATION = "/etc/nginx/nginx.conf"
ALARM_DAYS = 30


def ports(role):
    """Our ports with mutual TLS."""
    return [row["port"] for row in role.listen if row.get("mutual")]


def installed(host):
    """The packages by name, in its order. Throws ApplianceError if one is damaged."""
    folder = host.path(f"{CURRENT}/packages")
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix == ".package":
            found[path.stem] = peer_package.parse(path.read_bytes(), f"/etc/eopeers/{path.name}")
    return found


def facts(host, role):
    """For `appliance status`: own certificate and peers with the days that their certificates have left; {} without peers."""
    if not ports(role):
        return {}
    days = {name: package.certificate.days_left() for name, package in installed(host).items()}
    return {"peers": days, "certificate_days": peer_package.own_certificate(host).days_left()}


def alarms(found):
    """Sentences about certificates in facts() that end soon: a peer whose certificate has ended is refused."""
    rows = {"of this machine": found.get("certificate_days", ALARM_DAYS)}
    rows.update({f"of {name}": days for name, days in found.get("peers", {}).items()})
    ends = {whose: f"ends in {days} days" if days >= 0 else "has ended" for whose, days in rows.items() if days < ALARM_DAYS}
    return [f"the certificate {whose} {when}: make a new one and exchange packages" for whose, when in ends.items()]


def current(host):
    """The generation that counts, or None before the first one."""
    link = host.path(CURRENT)
    return str(link.readlink()) if link.is_symlink() else None


def generation(own, packages, own_names=""):
    """(name, {path: content}) of the list with these packages. `own_names`: as whom our own certificate may come, if so."""
    names = {}
    for package in packages.values():
        names.setdefault(package.certificate.sha1, []).append(package.hostname)
    if own_names:
        names[own.sha1] = [own_names]
    stored = {f"packages/{name}.package": package.text() + "\n" for name, package in sorted(packages.items())}
    facts = json.dumps([own.pem, sorted(names.items()), stored])
    name = hashlib.sha256(facts.encode("ascii")).hexdigest()[:32]
    pems = dict.fromkeys([own.pem, *(package.certificate.pem for package in packages.values())])
    pins = "".join(f'\t{sha1} "{",".join(sorted(who))}";\n' for sha1, who in sorted(names.items()))
    return name, {**stored, "calist": "".join(pems),
                  "pins.conf": "# Written by eopeers. Who gets here has a certificate of calist; its SHA-1 only picks the name.\n"
                               f'map $ssl_client_fingerprint $peer {{\n\tdefault "";\n{pins}}}\n'
                               f'map $ssl_client_fingerprint $peer_list {{\n\tdefault "";\n\t{own.sha1} "{name}";\n}}\n'}


def renew(host, environment, role):
    """For `appliance apply`: brings the list into the form that the environment asks for; returns what changed, as sentences.

    Who is no longer in the environment goes; files that somebody touched come back; what a power cut left goes.
    """
    if not ports(role):
        return []
    kept = {machine.name for machine in peer_package.wanted(environment, role)}
    before = installed(host)
    packages = {name: package for name, package in before.items() if name in kept}
    gone = sorted(set(before) - set(packages))
    for name in gone:
        audit.note(host, f"eopeers: {name}: removed, the environment has no such peer any more")
    name = write(host, environment, role, packages)
    changed = host.link(CURRENT, name)
    sweep(host)
    return [f"removed peer {name}" for name in gone] or (["renewed the peer list"] if changed else [])


def change(host, environment, role, packages, notes=(), beside=lambda: None):
    """Makes `packages` the list, in nginx too, and proves it there; on failure the old one stays and ApplianceError is
    thrown.

    `notes` go to the audit log just before the switch; `beside` is called when all else is done. The caller holds
    apply.lock().
    """
    old = current(host)
    new = write(host, environment, role, packages)
    if old != new:
        _check(host, new)
    for note in notes:
        audit.note(host, note)
    try:
        host.link(CURRENT, new)
        mutual.reload(host, environment, new, ports(role))
        beside()
    except (ApplianceError, OSError) as error:
        if old and old != new:
            host.link(CURRENT, old)
            audit.note(host, f"eopeers: went back to the list before: {error}")
            host.run(["systemctl", "try-reload-or-restart", "nginx.service"])
        raise
    sweep(host)


def write(host, environment, role, packages):
    """Makes the folder of a generation, without switching to it; returns its name."""
    own = peer_package.own_certificate(host)
    # An authority's payload sends messages to itself by the same way as to the others.
    own_names = environment.machine.name if role.group_of(environment.machine) == "authorities" else ""
    name, files = generation(own, packages, own_names)
    if name != current(host):
        shutil.rmtree(host.path(f"{FOLDER}/{name}"), ignore_errors=True)   # of a run that was cut off
    for path, content in files.items():
        host.write(f"{FOLDER}/{name}/{path}", content)
    host.path(f"{FOLDER}/{name}/packages").mkdir(exist_ok=True)
    return name


def sweep(host):
    """Removes generations that do not count: what was replaced, and what an interrupted run left."""
    keep = current(host)
    for path in sorted(host.path(FOLDER).iterdir()):
        if path.is_dir() and not path.is_symlink() and path.name != keep:
            shutil.rmtree(path)


def _check(host, name):
    """Throws ApplianceError unless nginx would take the generation."""
    text = host.read_or_none(CONFIGURATION)
    if text is not None:
        host.accepts(CONFIGURATION, text.replace(f"{CURRENT}/", f"{FOLDER}/{name}/"), ["nginx", "-t", "-q", "-c", "{}"])
