"""A machine that is given a seed which is not its own: it says so at once, and never becomes ready."""
import json
import shutil

import imgbuild_program as imgbuild


def test_seeds_swapped_between_machines_are_refused_with_the_reason(built, tmp_path):
    environment = tmp_path / "prod.yml"
    shutil.copy(imgbuild.ROOT / "recipes" / "examples" / "deployment.yml", environment)
    imgbuild.run_ok("seed", "--env", environment, "--machine", "prod-a1", "-o", tmp_path)
    booted = imgbuild.run("boot", built.image, "--seed", tmp_path / "prod" / "prod-a1.seed.iso", "--console", tmp_path / "console", "--memory", "1 GiB")
    roles = ", ".join(json.loads(built.manifest.read_text())["roles"])
    assert booted.returncode == 7, booted.stderr
    assert f"this seed is for role 'authority', but this image serves {roles}: attach the right seed" in booted.stderr
    assert "]: ready " not in (tmp_path / "console").read_text()
