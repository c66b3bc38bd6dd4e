"""The only place that touches the machine: files below a root, commands, facts.

Tests give another root and a fake `run`; then nothing outside of that root is read or written.
"""
import grp
import os
import pwd
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .errors import ApplianceError, on_one_line


def run_command(argv, stdin=None, env=None, pass_fds=()):
    """Runs `argv` without a shell; `stdin` is text for its standard input. Returns CompletedProcess.

    In `/`, for a person may stand where the user that a program runs as may not be.
    """
    return subprocess.run(argv, input=stdin if stdin is not None else "", env=env, pass_fds=pass_fds, cwd="/",
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


class Host:
    """Files below `root` and commands through `run`. Only the real root changes owners."""

    def __init__(self, root="/", run=run_command):
        self.root = Path(root)
        self.run = run
        self.is_real = str(self.root) == "/"

    def path(self, absolute):
        return self.root / str(absolute).lstrip("/")

    def exists(self, absolute):
        return self.path(absolute).exists()

    def read(self, absolute):
        return self.path(absolute).read_text(encoding="utf-8")

    def read_or_none(self, absolute):
        try:
            return self.read(absolute)
        except FileNotFoundError:
            return None

    def command(self, argv, **options):
        """Standard output of `argv`. Throws ApplianceError with its last words if it fails."""
        done = self.run(argv, **options)
        if done.returncode != 0:
            said = on_one_line((done.stderr or done.stdout or "said nothing")[-600:])
            raise ApplianceError(f"{' '.join(argv)}: exit status {done.returncode}: {said}")
        return done.stdout

    def succeeds(self, argv):
        return self.run(argv).returncode == 0

    def write(self, absolute, content, mode=0o644, owner="root"):
        """Makes the file exactly this; returns whether anything differed.

        Atomic and durable: temporary in the same folder, fsync, rename, fsync of the folder. The temporary is 0600
        until it is complete.
        """
        if self.has(absolute, content, mode, owner):
            return False
        target = self.path(absolute)
        with self._temporary(target, content) as temporary:
            if self.is_real:
                os.chown(temporary, *owner_ids(owner))
            os.chmod(temporary, mode)
            os.rename(temporary, target)
        sync_folder(target.parent)
        return True

    def accepts(self, absolute, content, check):
        """Throws ApplianceError unless the command `check`, its '{}' replaced by a temporary's path, likes `content`."""
        with self._temporary(self.path(absolute), content) as temporary:
            try:
                self.command([word.replace("{}", temporary) for word in check])
            except ApplianceError as error:
                raise ApplianceError(f"{absolute}: {error.problems[0]}") from None

    def has(self, absolute, content, mode=0o644, owner="root"):
        """Whether the file is there with exactly this content, mode and owner."""
        target = self.path(absolute)
        if target.is_symlink() or not target.is_file():
            return False
        status = target.stat()
        if status.st_mode & 0o7777 != mode:
            return False
        if self.is_real and (status.st_uid, status.st_gid) != owner_ids(owner):
            return False
        return target.read_bytes() == content.encode("utf-8")

    def has_link(self, absolute, destination):
        target = self.path(absolute)
        return target.is_symlink() and os.readlink(target) == destination

    def link(self, absolute, destination):
        """Makes `absolute` a symbolic link to `destination`; returns whether anything differed."""
        if self.has_link(absolute, destination):
            return False
        target = self.path(absolute)
        make_folder(target.parent)
        temporary = target.parent / f".{target.name}.link"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(destination)
        os.rename(temporary, target)
        sync_folder(target.parent)
        return True

    def remove(self, absolute):
        """Removes a file; returns whether it was there."""
        try:
            self.path(absolute).unlink()
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def _temporary(self, target, content):
        make_folder(target.parent)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)

    def memory_mib(self):
        """Memory in MiB, rounded down to 64 so that a new kernel's own use does not change settings."""
        for line in self.read("/proc/meminfo").splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) // 1024 // 64 * 64
        raise ApplianceError("/proc/meminfo: has no line 'MemTotal:'")

    def cores(self):
        return os.cpu_count() or 1

    def has_user(self, name):
        return any(line.startswith(f"{name}:") for line in (self.read_or_none("/etc/passwd") or "").splitlines())

    def disk_mib(self, absolute):
        """Size of the file system that holds the nearest existing folder of this path."""
        path = self.path(absolute)
        while not path.exists():
            path = path.parent
        status = os.statvfs(path)
        return status.f_frsize * status.f_blocks // 1024 // 1024

    def has_ipv6(self):
        return self.exists("/proc/net/if_inet6")


def make_folder(folder):
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)


def owner_ids(owner):
    """(uid, gid) of `user`, in its own group, or of `user:group`."""
    name, _, group = owner.partition(":")
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise ApplianceError(f"there is no user '{name}'") from None
    try:
        return user.pw_uid, grp.getgrnam(group).gr_gid if group else user.pw_gid
    except KeyError:
        raise ApplianceError(f"there is no group '{group}'") from None


def sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
