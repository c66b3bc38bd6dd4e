"""What `imgbuild recipe` says and does before it starts work: one behaviour each."""
import json
import os
import pathlib
import subprocess

import pytest

import imgbuild_program as imgbuild


def files_below(folder):
    return {str(path): path.stat().st_mtime_ns for path in pathlib.Path(folder).rglob("*")}


def error_of(*arguments, **options):
    result = imgbuild.run(*arguments, **options)
    assert result.stdout == ""
    return result.returncode, result.stderr.strip()


def test_version_is_one_line_on_stdout():
    assert imgbuild.run_ok("--version").stdout.startswith("imgbuild ")


def test_unknown_command_is_a_usage_error_with_a_suggestion():
    status, text = error_of("recipee", "web-master")
    assert status == 2
    assert text.splitlines()[0] == "imgbuild: unknown command 'recipee', did you mean 'recipe'?"


def test_no_command_shows_how_to_get_help():
    status, text = error_of()
    assert status == 2 and "imgbuild --help" in text


def test_unknown_role_lists_what_there_is(deployment):
    status, text = error_of("recipe", "web-mastr", "--env", deployment, "--dry-run")
    assert status == 3
    assert "'web-mastr'" in text and "did you mean 'web-master'?" in text


def test_missing_environment_file_is_named(tmp_path):
    status, text = error_of("recipe", "web-master", "--env", tmp_path / "none.yml", "--dry-run")
    assert status == 3
    assert str(tmp_path / "none.yml") in text


def test_environment_file_is_required():
    status, text = error_of("recipe", "web-master")
    assert status == 2 and "--env is required" in text


def test_all_problems_come_at_once_with_their_places(deployment):
    text = deployment.read_text().replace("timezone: Europe/Vienna", "timezone: Europe/Viena").replace("10.0.2.15", "10.0.2.300")
    deployment.write_text(text + "machnes: []\n")
    status, errors = error_of("recipe", "web-master", "--env", deployment, "--dry-run")
    assert status == 3
    places = [line.partition(str(deployment))[2].split(":")[1] for line in errors.splitlines() if str(deployment) in line]
    assert places == sorted(places, key=int) and len(places) == 3
    assert "did you mean 'machines'?" in errors


def test_unknown_machine_is_named(deployment):
    status, text = error_of("recipe", "web-master", "--env", deployment, "--machine", "demo-s2", "--dry-run")
    assert (status, text) == (3, f"imgbuild: {deployment}: there is no machine 'demo-s2', did you mean 'demo-s1'?")


def test_dry_run_shows_the_plan_and_hides_secrets(deployment):
    deployment.write_text(deployment.read_text() + "settings:\n  iam_database_password: \"hunter2hunter2hunter2\"\n")
    result = imgbuild.run_ok("recipe", "web-master", "--env", deployment, "--dry-run")
    assert "role web-master" in result.stdout and "base: bootstrap" in result.stdout
    assert "iam_database_password: *** (environment file)" in result.stdout
    assert "ballot_box_database_password: *** (vault)" in result.stdout
    assert "hunter2" not in result.stdout + result.stderr


def test_dry_run_as_json_is_one_object(deployment):
    plan = json.loads(imgbuild.run_ok("recipe", "web-master", "--env", deployment, "--dry-run", "--json").stdout)
    assert plan["role"] == "web-master" and plan["machines"][0]["settings"]["iam_database_password"] == "***"


def test_dry_run_touches_nothing_and_needs_no_network(deployment, tmp_path):
    cache = tmp_path / "cache"
    before = files_below(tmp_path)
    imgbuild.run_ok("recipe", "web-master", "--env", deployment, "-o", tmp_path / "out", "--dry-run",
                    prefix=["unshare", "-n"], XDG_CACHE_HOME=cache)
    assert files_below(tmp_path) == before


def test_the_example_of_the_readme_is_valid():
    imgbuild.run_ok("recipe", "web-master", "--env", imgbuild.ROOT / "recipes" / "examples" / "demo.yml", "--dry-run")


def test_a_cache_open_to_others_is_refused(deployment, tmp_path):
    cache = tmp_path / "cache" / "imgbuild"
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    status, text = error_of("recipe", "web-master", "--env", deployment, "-o", tmp_path / "out", XDG_CACHE_HOME=tmp_path / "cache")
    assert status == 5
    assert f"{cache}: the cache may be written by others (mode 0777)" in text and "chmod go-w" in text


def test_no_network_is_said_with_exit_status_6(deployment, tmp_path):
    status, text = error_of("recipe", "web-master", "--env", deployment, "-o", tmp_path / "out",
                            prefix=["unshare", "-n"], XDG_CACHE_HOME=tmp_path / "cache")
    assert status == 6, text
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").rglob("*.qcow2")) == []


def test_too_small_a_cache_disk_is_said_before_work(deployment, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    result = imgbuild.run("recipe", "web-master", "--env", deployment, "-o", tmp_path / "out", XDG_CACHE_HOME=cache,
                          prefix=["unshare", "-m", "bash", "-c", 'mount -t tmpfs -o size=100m tmpfs "$1" && shift && "$@"', "-", str(cache)])
    assert result.returncode == 5, result.stderr
    assert "disk space" in result.stderr.lower() or "free" in result.stderr.lower()


def test_doctor_says_how_images_are_built():
    result = imgbuild.run("doctor", timeout=120)
    assert result.returncode in (0, 5)
    assert "backend" in result.stdout.lower()


def test_doctor_as_json_names_every_check():
    result = imgbuild.run("doctor", "--json", timeout=120)
    report = json.loads(result.stdout)
    assert {"name", "verdict", "finding"} <= report["checks"][0].keys()
