"""imgbuild ops: the backups are made when they should be, each of them."""
import json
import re

import pytest
from aws_models import complaints, model
from ops_deployment import book, deployment, ops  # noqa: F401
from rehearsal import chapter
from test_launch import ENVIRONMENT


@pytest.fixture
def prod(deployment):
    return deployment(ENVIRONMENT)


def backup_rules(folder):
    """(name, schedule, days, start window, completion window), by both files."""
    formation = json.loads((folder / "cloudformation.json").read_text())["Resources"]["BackupPlan"]["Properties"]["BackupPlan"]["BackupPlanRule"]
    terraform = json.loads((folder / "terraform.tf.json").read_text())["resource"]["aws_backup_plan"]["backup"]["rule"]
    of_terraform = [(rule["rule_name"], rule["schedule"], rule["lifecycle"][0]["delete_after"], rule["start_window"], rule["completion_window"]) for rule in terraform]
    assert [(rule["RuleName"], rule["ScheduleExpression"], rule["Lifecycle"]["DeleteAfterDays"], rule["StartWindowMinutes"], rule["CompletionWindowMinutes"])
            for rule in formation] == of_terraform
    return of_terraform


def test_backups_are_made_and_kept_as_they_were_by_hand(prod):
    rules = backup_rules(ops(prod))
    assert rules == [("every-3-hours", "cron(0 0/3 ? * * *)", 1, 60, 180), ("daily", "cron(30 1 ? * * *)", 6, 60, 180),
                     ("weekly", "cron(30 4 ? * 1 *)", 28, 60, 180), ("monthly", "cron(30 7 1 * ? *)", 731, 60, 180)]
    plan = {"BackupPlanName": "prod", "Rules": [{"RuleName": name, "TargetBackupVaultName": "prod", "ScheduleExpression": schedule, "Lifecycle": {"DeleteAfterDays": days},
                                                 "StartWindowMinutes": start, "CompletionWindowMinutes": completion}
                                                for name, schedule, days, start, completion in rules]}
    assert complaints({"BackupPlan": plan}, model("backup", "CreateBackupPlan")) == ""
    selection = json.loads((prod.parent / "output/prod/ops/cloudformation.json").read_text())["Resources"]["BackupSelection"]["Properties"]["BackupSelection"]
    selection["IamRoleArn"] = "arn:aws:iam::1:role/x"
    assert complaints({"BackupPlanId": "x", "BackupSelection": selection}, model("backup", "CreateBackupSelection")) == ""
    assert selection["ListOfTags"] == [{"ConditionType": "STRINGEQUALS", "ConditionKey": "backup-normal", "ConditionValue": "true"}]


def starts(schedule):
    """The minutes of a day at which it may begin: a day on which all rules are due."""
    minute, hour = re.match(r"cron\((\S+) (\S+) ", schedule).groups()
    first, _, step = hour.partition("/")
    return [int(minute) + 60 * hour for hour in (range(int(first), 24, int(step)) if step else [int(first)])]


def test_no_two_rules_start_at_the_same_time(prod):
    """Where their windows overlap AWS makes only the backup that is kept longer."""
    windows = sorted((start, start + window) for _, schedule, _, window, _ in backup_rules(ops(prod)) for start in starts(schedule))
    assert len(windows) == 11 and all(end <= begin for (_, end), (begin, _) in zip(windows, windows[1:])) and windows[-1][1] <= 24 * 60


def test_the_runbook_has_the_schedule(prod):
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in chapter(book(prod), "Backups").splitlines() if line.startswith("| ")]
    assert rows == [["plan", "starts within 60 minutes of", "kept for", "that is"], ["every-3-hours", "00:00, 03:00, … 21:00", "1 day", "8 points"],
                    ["daily", "01:30", "6 days", "6 points"], ["weekly", "Sunday 04:30", "28 days", "4 points"], ["monthly", "the 1st, 07:30", "731 days", "24 points"]]


def test_the_vault_stays_when_all_else_is_deleted(prod):
    folder = ops(prod)
    terraform = json.loads((folder / "terraform.tf.json").read_text())["resource"]
    formation = json.loads((folder / "cloudformation.json").read_text())["Resources"]
    assert terraform["aws_backup_vault"]["backup"]["lifecycle"] == {"prevent_destroy": True}
    assert (formation["BackupVault"]["DeletionPolicy"], formation["BackupVault"]["UpdateReplacePolicy"]) == ("Retain", "Retain")
