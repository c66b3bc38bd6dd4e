import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import imgbuild_program as imgbuild


class Built:
    """The web-master image of one environment file, with its seed and vault."""

    def __init__(self, folder):
        self.folder = folder
        self.key, public = imgbuild.make_ssh_key(folder)
        self.public_key = public
        self.environment = imgbuild.write_environment(folder, public)
        self.output = folder / "output"
        result = imgbuild.run_ok("recipe", "web-master", "--env", self.environment, "-o", self.output, timeout=1500)
        self.stdout = result.stdout
        self.stderr = result.stderr
        self.image = self.output / "demo" / "web-master.qcow2"
        self.manifest = self.output / "demo" / "web-master.manifest.json"
        self.seed = self.output / "demo" / "demo-s1.seed.iso"
        self.vault = folder / "demo.vault"
        self.ran = None  # disk of a machine that ran from it

    def secrets(self):
        """Every secret of the vault by name: passwords and the bodies of private keys, line by line."""
        found = {}
        for path in sorted(self.vault.rglob("*")):
            if not path.is_file() or path.suffix in (".crt", ".pub") or path.name.startswith(".") or path.name == "index":
                continue
            text = path.read_text().strip()
            if "PRIVATE KEY" in text:
                for number, line in enumerate(text.splitlines()[1:-1]):
                    if len(line) >= 24 and not line.startswith("b3BlbnNzaC1rZXktdjE"):  # the format's own name
                        found[f"{path.name} line {number}"] = line
            elif len(text) >= 16:
                found[path.name] = text
        return found


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    return Built(tmp_path_factory.mktemp("web-master"))
