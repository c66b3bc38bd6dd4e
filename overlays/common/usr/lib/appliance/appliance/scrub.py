"""Closes the machine after its first successful boot: no second seed, no copies of the first one.

Order matters for a power cut at any moment: cloud-init is closed first, when all it wrote is on the disk, for a
machine without its caches but with an open cloud-init would come up as a new, empty one. Every later step is
repeated on each boot until all are done.
"""
import fcntl
import grp
import os

from . import environment as environments

UNIT = "appliance-scrub.service"
CLOSED = "/etc/cloud/cloud-init.disabled"
FOLDERS = ("/var/lib/cloud/instances", "/var/lib/cloud/seed", "/var/lib/cloud/scripts", "/run/cloud-init/tmp")
PATTERNS = ("/run/cloud-init/instance-data*.json", "/run/cloud-init/combined-cloud-config.json")
CDROM_LOCKDOOR, CDROM_EJECT = 0x5329, 0x5309   # linux/cdrom.h


def scrub(host, eject=None):
    """Closes cloud-init, shreds its copies, takes people out of group cdrom, ejects the seed; returns what it did."""
    done = []
    host.path(environments.PATH).chmod(0o600)
    if not host.exists(CLOSED):
        os.sync()
        host.write(CLOSED, "appliance: configured\n")
        done.append("closed cloud-init")
    shredded = [shred(path) for path in _copies(host)]
    if shredded:
        done.append(f"shredded {len(shredded)} copies of the seed")
    done += _empty_group(host, "cdrom")
    device = _seed_device(host)
    if device and (eject or eject_medium)(device):
        done.append(f"ejected {device}")
    os.sync()
    return done


def shred(path):
    """Overwrites a file with zeros, on the disk, and removes it."""
    size = path.stat().st_size
    path.chmod(0o600)
    with open(path, "r+b") as file:
        file.write(b"\0" * size)
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    return path


def eject_medium(device):
    """Opens the drive; a disk that is no optical one stays (its mode keeps others out). Returns whether it did."""
    try:
        handle = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.ioctl(handle, CDROM_LOCKDOOR, 0)
        fcntl.ioctl(handle, CDROM_EJECT)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _copies(host):
    found = [path for folder in FOLDERS for path in host.path(folder).rglob("*")]
    found += [path for pattern in PATTERNS for path in host.root.glob(pattern.lstrip("/"))]
    return sorted({path for path in found if path.is_file() and not path.is_symlink()})


def _empty_group(host, name):
    try:
        members = grp.getgrnam(name).gr_mem if host.is_real else ()
    except KeyError:
        return []
    for member in members:
        host.command(["gpasswd", "--delete", member, name])
    return [f"took {member} out of group {name}" for member in members]


def _seed_device(host):
    for label in ("cidata", "CIDATA"):
        link = host.path(f"/dev/disk/by-label/{label}")
        if link.exists():
            return os.path.realpath(link)
    return None
