"""Certificates of peers in a Java keystore, for payloads that look there. keytool comes with their Java."""
import os
import shutil
import tempfile

from .errors import ApplianceError
from .host import sync_folder

SETTING = "keystore_password"


class Keystore:
    """A changed copy of a keystore, which takes the place of the original on publish(). Used in a `with`.

    Aliases are the names of the peers. The password goes to keytool in a memory file.
    """

    def __init__(self, host, environment, path):
        if shutil.which("keytool") is None:
            raise ApplianceError(f"{path}: there is no keytool in this image: the payload must bring Java, "
                                 "or leave out --keystore")
        if environment.settings.get(SETTING) is None:
            raise ApplianceError(f"{path}: the environment has no settings.{SETTING}, so it cannot be opened")
        if os.path.lexists(path) and not (os.path.isfile(path) and not os.path.islink(path)):
            raise ApplianceError(f"{path}: must be a file")
        if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
            raise ApplianceError(f"{path}: there is no folder for it")
        self._host, self._path = host, os.path.abspath(path)
        self._password = environment.settings[SETTING]

    def __enter__(self):
        self._folder = tempfile.mkdtemp(prefix=".eopeers-", dir=os.path.dirname(self._path))
        self._copy = f"{self._folder}/keystore"
        if os.path.exists(self._path):
            shutil.copyfile(self._path, self._copy)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self._folder, ignore_errors=True)

    def aliases(self):
        """The aliases in it; keytool writes them in lower case."""
        if not os.path.exists(self._copy):
            return set()
        listed = self._keytool("-list")
        return {line.split(",")[0] for line in listed.splitlines() if line.count(",") > 1}

    def put(self, packages):
        """Makes each package's certificate the one under its name."""
        self.remove(package.hostname for package in packages)
        for package in packages:
            self._keytool("-importcert", "-noprompt", "-alias", package.hostname, stdin=package.certificate.pem)

    def remove(self, names):
        """Removes the aliases that are there."""
        present = self.aliases()
        for name in names:
            if name in present:
                self._keytool("-delete", "-alias", name)

    def publish(self):
        """The copy takes the original's place, with its owner and mode; a new one belongs to the owner of its folder."""
        if not os.path.exists(self._copy):
            return
        is_there = os.path.exists(self._path)
        like = os.stat(self._path if is_there else os.path.dirname(self._path))
        os.chown(self._copy, like.st_uid, like.st_gid)
        os.chmod(self._copy, like.st_mode & 0o777 if is_there else 0o600)
        with open(self._copy, "rb") as file:
            os.fsync(file.fileno())
        os.rename(self._copy, self._path)
        sync_folder(os.path.dirname(self._path))

    def _keytool(self, command, *arguments, stdin=None):
        handle = os.memfd_create("keystore-password", 0)
        try:
            os.write(handle, self._password.encode("ascii"))
            return self._host.command(["keytool", command, *arguments, "-keystore", self._copy,
                                       "-storepass:file", f"/proc/self/fd/{handle}"], stdin=stdin, pass_fds=(handle,))
        except ApplianceError as error:
            raise ApplianceError(f"{self._path}: {error.problems[0].replace(self._copy, self._path)}") from None
        finally:
            os.close(handle)
