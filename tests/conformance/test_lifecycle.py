"""An unchanged boto3 client drives the whole story."""

import json
import time
import unittest
import urllib.error
import urllib.request

from millrace_server import ROLLING, ServerTest, code_update, drop_file, finished_lines, until


def orders(work, name, expression="amount * 2", hint=""):
    return f"""
CREATE TABLE orders (id BIGINT, amount BIGINT) WITH (
    'connector' = 'filesystem', 'path' = '{work}/{name}/in', 'format' = 'csv',
    'source.monitor-interval' = '100 ms');
CREATE TABLE doubled (id BIGINT, amount BIGINT) WITH (
    'connector' = 'filesystem', 'path' = '{work}/{name}/out', 'format' = 'csv',{ROLLING});
INSERT INTO doubled SELECT {hint} id, {expression} FROM orders;
"""


class Lifecycle(ServerTest):
    def feed(self, name, first, last):
        text = "".join(f"{i},{i * 10}\n" for i in range(first, last))
        drop_file(self.work / name / "in", f"{first:09}.csv", text)

    def expect_rows(self, name, rows):
        """The output holds each of these rows once, and no other."""
        out = self.work / name / "out"
        until(f"{len(rows)} rows", lambda: len(finished_lines(out)) >= len(rows), 60)
        self.assertEqual(sorted(finished_lines(out)), sorted(rows))

    def doubled(self, first, last):
        return [f"{i},{i * 20}" for i in range(first, last)]

    def test_upgrade_in_place_while_data_flows(self):
        name = self.name()
        self.create(name, orders(self.work, name), runtime="FLINK-1_15")
        self.feed(name, 0, 1000)
        self.run_application(name)
        self.expect_rows(name, self.doubled(0, 1000))

        update = self.update(name, RuntimeEnvironmentUpdate="FLINK-1_18")
        self.assertEqual(update["ApplicationDetail"]["ApplicationStatus"], "UPDATING")
        self.feed(name, 1000, 2000)
        details = self.succeed(name, update)
        change = details["ApplicationVersionChangeDetails"]
        self.assertEqual(
            (change["ApplicationVersionUpdatedFrom"], change["ApplicationVersionUpdatedTo"]), (1, 2))
        self.feed(name, 2000, 3000)
        self.expect_rows(name, self.doubled(0, 3000))

        detail = self.detail(name)
        self.assertEqual(detail["RuntimeEnvironment"], "FLINK-1_18")
        self.assertEqual(detail["ApplicationStatus"], "RUNNING")
        self.assertEqual(detail["ApplicationVersionId"], 2)

    def test_impossible_update_is_refused_before_the_stop(self):
        name = self.name()
        self.create(name, orders(self.work, name))
        self.feed(name, 0, 10)
        self.run_application(name)
        self.expect_rows(name, self.doubled(0, 10))
        before = self.generations(name)

        bad = orders(self.work, name, expression="no_such_column")
        update = self.update(name, ApplicationConfigurationUpdate=code_update(bad))
        details = self.settled(name, update)
        self.assertEqual(details["OperationStatus"], "FAILED", details)
        cause = details["OperationFailureDetails"]["ErrorInfo"]["ErrorString"]
        self.assertIn("no_such_column", cause)

        detail = self.detail(name)
        self.assertEqual(detail["ApplicationStatus"], "RUNNING")
        self.assertEqual(self.generations(name), before, "nothing was started or stopped")
        self.feed(name, 10, 20)
        self.expect_rows(name, self.doubled(0, 20))

    def generations(self, name):
        runs = (self.server.data / "applications").glob("*/run/g*")
        return sorted(str(run) for run in runs if f"/{name}/in" in (run / "main.sql").read_text())

    def test_failing_update_is_put_back_by_itself(self):
        name = self.name()
        self.create(name, orders(self.work, name), rollback=True)
        self.feed(name, 0, 100)
        self.run_application(name)
        self.expect_rows(name, self.doubled(0, 100))

        # Fails on the first row that it reads, and rows keep coming.
        failing = orders(self.work, name, expression="amount / (amount - amount)")
        update = self.update(name, ApplicationConfigurationUpdate=code_update(failing))
        fed = 100
        while self.operation(name, update)["OperationStatus"] == "IN_PROGRESS":
            self.feed(name, fed, fed + 10)
            fed += 10
            time.sleep(0.02)
        details = self.operation(name, update)
        self.assertEqual(details["OperationStatus"], "FAILED", details)
        failure = details["OperationFailureDetails"]
        self.assertIn("zero", failure["ErrorInfo"]["ErrorString"].lower())
        self.succeed(name, {"OperationId": failure["RollbackOperationId"]}, 120)

        detail = self.detail(name)
        self.assertEqual(detail["ApplicationStatus"], "RUNNING")
        code = detail["ApplicationConfigurationDescription"]["ApplicationCodeConfigurationDescription"]
        self.assertIn("amount * 2", code["CodeContentDescription"]["TextContent"])
        self.feed(name, fed, fed + 100)
        self.expect_rows(name, self.doubled(0, fed + 100))

    def test_manual_rollback_loses_and_repeats_nothing(self):
        name = self.name()
        self.create(name, orders(self.work, name))
        self.feed(name, 0, 100)
        self.run_application(name)
        tripled = orders(self.work, name, expression="amount * 3")
        self.expect_rows(name, self.doubled(0, 100))
        self.succeed(name, self.update(name, ApplicationConfigurationUpdate=code_update(tripled)))
        self.feed(name, 100, 200)
        middle = [f"{i},{i * 30}" for i in range(100, 200)]
        self.expect_rows(name, self.doubled(0, 100) + middle)

        rollback = self.client.rollback_application(
            ApplicationName=name, CurrentApplicationVersionId=2)
        self.succeed(name, rollback)
        self.feed(name, 200, 300)
        self.expect_rows(name, self.doubled(0, 100) + middle + self.doubled(200, 300))

    def test_stop_takes_a_snapshot_and_start_goes_on_from_it(self):
        name = self.name()
        self.create(name, orders(self.work, name))
        self.feed(name, 0, 100)
        self.run_application(name)
        self.expect_rows(name, self.doubled(0, 100))
        running = self.detail(name)["ApplicationConfigurationDescription"]
        restore = running["RunConfigurationDescription"]["ApplicationRestoreConfigurationDescription"]
        self.assertEqual(restore["ApplicationRestoreType"], "RESTORE_FROM_LATEST_SNAPSHOT")

        self.succeed(name, self.client.stop_application(ApplicationName=name))
        stopped = self.detail(name)
        self.assertEqual(stopped["ApplicationStatus"], "READY")
        self.assertEqual(stopped["ApplicationVersionId"], 1)
        self.assertNotIn("RunConfigurationDescription", stopped["ApplicationConfigurationDescription"])
        snapshots = self.client.list_application_snapshots(ApplicationName=name)["SnapshotSummaries"]
        self.assertEqual([s["SnapshotStatus"] for s in snapshots], ["READY"])

        self.feed(name, 100, 200)
        self.run_application(name)
        self.expect_rows(name, self.doubled(0, 200))

    def test_snapshots_are_taken_shown_and_deleted(self):
        name = self.name()
        self.create(name, orders(self.work, name))
        taking = {"ApplicationName": name, "SnapshotName": "mine"}
        self.refused("ResourceInUseException", self.client.create_application_snapshot, **taking)
        self.run_application(name)
        self.assertEqual(
            self.client.create_application_snapshot(**taking)["ResponseMetadata"]["HTTPStatusCode"], 200)
        described = until("snapshot READY", lambda: self.ready_snapshot(taking))
        self.assertEqual(described["ApplicationVersionId"], 1)
        self.assertEqual(described["RuntimeEnvironment"], "FLINK-1_18")
        self.client.delete_application_snapshot(
            SnapshotCreationTimestamp=described["SnapshotCreationTimestamp"], **taking)
        until("snapshot gone", lambda: self.snapshot_gone(taking))

    def ready_snapshot(self, taking):
        """The snapshot once it is READY and the operation that took it has ended."""
        details = self.client.describe_application_snapshot(**taking)["SnapshotDetails"]
        operations = self.client.list_application_operations(
            ApplicationName=taking["ApplicationName"], OperationStatus="IN_PROGRESS")
        ended = not operations["ApplicationOperationInfoList"]
        return details if details["SnapshotStatus"] == "READY" and ended else None

    def snapshot_gone(self, taking):
        try:
            self.client.describe_application_snapshot(**taking)
        except self.client.exceptions.ResourceNotFoundException:
            return True
        return False

    def test_a_running_application_can_be_deleted(self):
        name = self.name()
        detail = self.create(name, orders(self.work, name))
        self.run_application(name)
        self.client.delete_application(
            ApplicationName=name, CreateTimestamp=detail["CreateTimestamp"])
        until("gone", lambda: self.application_gone(name))
        # Its name is free again, and nothing of the old one is left.
        self.create(name, orders(self.work, name))
        self.assertEqual(
            self.client.list_application_snapshots(ApplicationName=name)["SnapshotSummaries"], [])

    def application_gone(self, name):
        try:
            self.detail(name)
        except self.client.exceptions.ResourceNotFoundException:
            return True
        return False

    def test_force_stop_takes_no_snapshot(self):
        name = self.name()
        self.create(name, orders(self.work, name))
        self.run_application(name)
        self.succeed(name, self.client.stop_application(ApplicationName=name, Force=True))
        self.assertEqual(self.detail(name)["ApplicationStatus"], "READY")
        self.assertEqual(
            self.client.list_application_snapshots(ApplicationName=name)["SnapshotSummaries"], [])

    def test_rescaling_keeps_every_row(self):
        name = self.name()
        self.create(name, orders(self.work, name))
        for part in range(5):
            self.feed(name, part * 100, part * 100 + 100)
        self.run_application(name)
        for parallelism in (3, 2):
            update = self.update(name, ApplicationConfigurationUpdate={
                "FlinkApplicationConfigurationUpdate": {"ParallelismConfigurationUpdate": {
                    "ConfigurationTypeUpdate": "CUSTOM", "ParallelismUpdate": parallelism}}})
            self.succeed(name, update)
            first = 500 + (3 - parallelism) * 100
            self.feed(name, first, first + 100)
        self.expect_rows(name, self.doubled(0, 700))


class Dashboard(ServerTest):
    """CreateApplicationPresignedUrl: who follows the link reads, and that alone."""

    def opener(self):
        jar = urllib.request.HTTPCookieProcessor()
        return urllib.request.build_opener(jar)

    def status(self, opener, url, method="GET"):
        try:
            with opener.open(urllib.request.Request(url, method=method)) as answer:
                return answer.status
        except urllib.error.HTTPError as refusal:
            return refusal.code

    def test_a_link_shows_the_job_and_changes_nothing(self):
        name = self.name()
        self.create(name, orders(self.work, name))
        link = {"ApplicationName": name, "UrlType": "FLINK_DASHBOARD_URL"}
        make = self.client.create_application_presigned_url
        self.refused("ResourceInUseException", make, **link)
        self.run_application(name)
        self.refused("InvalidArgumentException", make,
                     **{**link, "UrlType": "ZEPPELIN_UI_URL"})
        url = make(**link)["AuthorizedUrl"]
        self.assertTrue(url.startswith(self.server.url + "/dashboard?token="), url)
        opener = self.opener()
        with opener.open(url) as page:
            base = page.geturl()
            self.assertIn("text/html", page.headers["Content-Type"])
        self.assertNotIn("token", base)
        with opener.open(base + "jobs/overview") as answer:
            (job,) = json.load(answer)["jobs"]
        self.assertEqual(job["state"], "RUNNING")
        with opener.open(base + f"jobs/{job['jid']}") as answer:
            self.assertTrue(json.load(answer)["vertices"])
        self.assertEqual(self.status(opener, base + f"jobs/{job['jid']}", "PATCH"), 405)
        self.assertEqual(self.status(opener, base + f"jobs/{job['jid']}/stop", "POST"), 405)
        self.assertEqual(self.status(opener, base + f"jobs/{job['jid']}/yarn-cancel"), 404)
        self.assertEqual(self.status(self.opener(), base), 403)
        self.assertEqual(self.status(self.opener(), url[:-1] + "x"), 403)
        token = url.split("token=")[1]
        self.assertNotIn(token, (self.server.directory / "server.log").read_text())
        self.succeed(name, self.client.stop_application(ApplicationName=name))
        self.assertEqual(self.status(opener, base + "jobs/overview"), 503)


if __name__ == "__main__":
    unittest.main()
