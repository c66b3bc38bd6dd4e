import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import imgbuild_program as imgbuild


@pytest.fixture
def deployment(tmp_path):
    """A folder with the environment file of one web-master and the operator's key."""
    key, public = imgbuild.make_ssh_key(tmp_path)
    return imgbuild.write_environment(tmp_path, public)
