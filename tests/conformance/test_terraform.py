"""Terraform with the AWS provider drives the story; of the provider only its endpoint is set.

Neither is in a registry that is reached from everywhere: the suite runs where the program and
a plugin directory with the provider are found (`TF_PLUGIN_DIR` names another one)."""

import glob
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from millrace_server import REGION, ROLE, ServerTest, drop_file, finished_lines, until
from test_lifecycle import orders

PROVIDER = "5.100.0"
PLUGINS = ["/opt/*", "/usr/share/terraform/plugins", "/usr/local/share/terraform/plugins",
           "~/.local/share/terraform/plugins", "~/.terraform.d/plugins"]
# What `terraform plan -detailed-exitcode` ends with.
CLEAN, CHANGES = 0, 2

MAIN = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "%(provider)s" }
  }
}
provider "aws" {
  region                      = "%(region)s"
  shared_credentials_files    = ["%(credentials)s"]
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints { kinesisanalyticsv2 = "%(url)s" }
}
variable "name" {}
variable "runtime" {}
variable "script" {}
variable "parallelism" {}
variable "started" { type = bool }
variable "snapshot" { type = bool }
resource "aws_kinesisanalyticsv2_application" "app" {
  name                   = var.name
  runtime_environment    = var.runtime
  service_execution_role = "%(role)s"
  start_application      = var.started
  force_stop             = false
  tags                   = { team = "orders" }
  application_configuration {
    application_code_configuration {
      code_content_type = "PLAINTEXT"
      code_content { text_content = file(var.script) }
    }
    application_snapshot_configuration { snapshots_enabled = true }
    environment_properties {
      property_group {
        property_group_id = "job"
        property_map      = { mode = "test" }
      }
    }
    flink_application_configuration {
      checkpoint_configuration {
        configuration_type            = "CUSTOM"
        checkpointing_enabled         = true
        checkpoint_interval           = 200
        min_pause_between_checkpoints = 0
      }
      monitoring_configuration {
        configuration_type = "CUSTOM"
        log_level          = "INFO"
        metrics_level      = "APPLICATION"
      }
      parallelism_configuration {
        configuration_type   = "CUSTOM"
        auto_scaling_enabled = false
        parallelism          = var.parallelism
        parallelism_per_kpu  = 1
      }
    }
  }
}
resource "aws_kinesisanalyticsv2_application_snapshot" "kept" {
  count            = var.snapshot ? 1 : 0
  application_name = aws_kinesisanalyticsv2_application.app.name
  snapshot_name    = "kept"
}
"""


def plugins():
    """The directory of plugins that has the provider, if there is one."""
    named = os.environ.get("TF_PLUGIN_DIR")
    for pattern in [named] if named else PLUGINS:
        for place in sorted(glob.glob(os.path.expanduser(pattern))):
            found = f"{place}/registry.terraform.io/hashicorp/aws/{PROVIDER}"
            if os.path.isdir(found):
                return place
    return None


class Terraform(ServerTest):
    """What the tests share; has none itself."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("terraform") or not plugins():
            why = f"there is no terraform with hashicorp/aws {PROVIDER} on this machine"
            print(f"SKIPPED: {why}")
            raise unittest.SkipTest(why)
        super().setUpClass()

    def setUp(self):
        self.place = self.project(self.name())

    def project(self, name):
        """A directory with the configuration, initialised."""
        place = self.work / f"terraform-{name}"
        place.mkdir()
        place.joinpath("main.tf").write_text(MAIN % {
            "provider": PROVIDER, "region": REGION, "role": ROLE, "url": self.server.url,
            "credentials": self.server.data / "credentials"})
        self.terraform("init", f"-plugin-dir={plugins()}", place=place)
        return place

    def terraform(self, *arguments, place=None, want=(0,)):
        place = place or self.place
        ran = subprocess.run(
            ["terraform", arguments[0], "-no-color", *arguments[1:]], cwd=place, timeout=180,
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": str(self.work), "CHECKPOINT_DISABLE": "1",
                 "TF_IN_AUTOMATION": "1"})
        if ran.returncode not in want:
            raise AssertionError(f"terraform {arguments[0]} ended with {ran.returncode}:\n"
                                 f"{ran.stdout}\n{ran.stderr}")
        return ran

    def wants(self, place=None, **changes):
        """What is wanted from now on, written where Terraform finds it."""
        file = (place or self.place) / "terraform.tfvars.json"
        wanted = json.loads(file.read_text()) if file.exists() else {"snapshot": False}
        file.write_text(json.dumps({**wanted, **changes}))

    def apply(self, **changes):
        """Applies, and expects that a plan finds nothing left to do."""
        self.wants(**changes)
        self.terraform("apply", "-auto-approve")
        self.assertEqual(self.plan(want=(CLEAN, CHANGES)), (CLEAN, ""))

    def plan(self, place=None, want=(CLEAN,)):
        """How it ended, and what it would do."""
        ran = self.terraform("plan", "-detailed-exitcode", place=place, want=want)
        return ran.returncode, "" if ran.returncode == CLEAN else ran.stdout

    def script(self, name, text):
        file = self.place / name
        file.write_text(text)
        return str(file)

    def feed(self, first, last):
        text = "".join(f"{i},{i * 10}\n" for i in range(first, last))
        drop_file(self.work / self.name() / "in", f"{first:09}.csv", text)

    def rows(self, count):
        out = self.work / self.name() / "out"
        until(f"{count} rows", lambda: len(finished_lines(out)) >= count)
        return sorted(finished_lines(out))

    def status(self):
        detail = self.detail(self.name())
        parallelism = detail["ApplicationConfigurationDescription"][
            "FlinkApplicationConfigurationDescription"]["ParallelismConfigurationDescription"]
        return detail["ApplicationStatus"], detail["RuntimeEnvironment"], parallelism["Parallelism"]

    def gone(self):
        try:
            self.detail(self.name())
        except self.client.exceptions.ResourceNotFoundException:
            return True
        return False

    def start(self):
        """A running application; the text of its script."""
        code = orders(self.work, self.name())
        self.apply(name=self.name(), runtime="FLINK-1_18", script=self.script("one.sql", code),
                   parallelism=1, started=True)
        self.assertEqual(self.status(), ("RUNNING", "FLINK-1_18", 1))
        self.feed(0, 100)
        self.rows(100)
        return code

    def upgrade(self, code):
        """Runtime, code and parallelism at once."""
        before = self.detail(self.name())["ApplicationVersionId"]
        self.apply(runtime="FLINK-1_20", parallelism=2,
                   script=self.script("two.sql", code + "\n-- the second\n"))
        self.assertEqual(self.status(), ("RUNNING", "FLINK-1_20", 2))
        self.assertEqual(self.detail(self.name())["ApplicationVersionId"], before + 1)
        self.feed(100, 200)
        self.assertEqual(self.rows(200), sorted(f"{i},{i * 20}" for i in range(200)))

    def destroy(self):
        self.terraform("destroy", "-auto-approve")
        until("gone", self.gone)


class OneApply(Terraform):
    def test_an_upgrade_is_one_apply_and_what_runs_is_destroyed(self):
        self.upgrade(self.start())
        self.destroy()


class Story(Terraform):
    def test_the_story(self):
        name = self.name()
        code = self.start()
        self.upgrade(code)

        with self.subTest("scale"):
            self.apply(parallelism=3)
            self.assertEqual(self.status(), ("RUNNING", "FLINK-1_20", 3))

        with self.subTest("snapshot"):
            self.apply(snapshot=True)
            listed = self.client.list_application_snapshots(ApplicationName=name)
            self.assertIn("kept", [it["SnapshotName"] for it in listed["SnapshotSummaries"]])
            self.apply(snapshot=False)

        with self.subTest("an update that cannot work is told, and seen in the next plan"):
            good = json.loads((self.place / "terraform.tfvars.json").read_text())["script"]
            self.wants(script=self.script("bad.sql", code.replace("FROM", "FROM no_such_table --")))
            failed = self.terraform("apply", "-auto-approve", want=(1,))
            self.assertIn("no_such_table", failed.stderr)
            self.assertEqual(self.status(), ("RUNNING", "FLINK-1_20", 3))
            ended, would = self.plan(want=(CHANGES,))
            self.assertIn("text_content", would)
            self.apply(script=good)
            self.feed(200, 300)
            self.assertEqual(self.rows(300), sorted(f"{i},{i * 20}" for i in range(300)))

        with self.subTest("stop and start"):
            self.apply(started=False)
            self.assertEqual(self.status()[0], "READY")
            self.apply(started=True)
            self.feed(300, 400)
            self.assertEqual(self.rows(400), sorted(f"{i},{i * 20}" for i in range(400)))

        with self.subTest("import"):
            other = self.project("import")
            shutil.copy(self.place / "terraform.tfvars.json", other)
            arn = self.detail(name)["ApplicationARN"]
            self.terraform("import", "aws_kinesisanalyticsv2_application.app", arn, place=other)
            # What the API does not keep, the next apply notes; the application stays.
            version = self.detail(name)["ApplicationVersionId"]
            self.terraform("apply", "-auto-approve", place=other)
            self.assertEqual(self.plan(place=other), (CLEAN, ""))
            self.assertEqual(self.detail(name)["ApplicationVersionId"], version)
            self.assertEqual(self.status()[0], "RUNNING")

        self.destroy()


if __name__ == "__main__":
    unittest.main()
