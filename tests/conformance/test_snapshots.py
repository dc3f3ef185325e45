"""Enhanced snapshots: they outlive their application and start another one."""

import unittest

from millrace_server import ServerTest, drop_file, finished_lines, until


def script(work, name):
    """A running count and sum per key, so that lost state shows in the rows."""
    return f"""
CREATE TABLE orders (id BIGINT, amount BIGINT) WITH (
    'connector' = 'filesystem', 'path' = '{work}/{name}/in', 'format' = 'csv',
    'source.monitor-interval' = '100 ms');
CREATE TABLE totals (kind BIGINT, orders BIGINT, amount BIGINT) WITH ('connector' = 'print');
CREATE TABLE doubled (id BIGINT, amount BIGINT) WITH (
    'connector' = 'filesystem', 'path' = '{work}/{name}/out', 'format' = 'csv',
    'sink.rolling-policy.rollover-interval' = '500 ms',
    'sink.rolling-policy.check-interval' = '200 ms');
EXECUTE STATEMENT SET BEGIN
INSERT INTO totals SELECT id / 100, COUNT(*), SUM(amount) FROM orders GROUP BY id / 100;
INSERT INTO doubled SELECT id, amount * 2 FROM orders;
END;
"""


class EnhancedCalls:
    """What tests of enhanced snapshots share."""

    def enhanced(self, name, sql):
        self.create(name, sql, runtime="FLINK-1_20")
        configuration = {"ApplicationSnapshotConfigurationUpdate": {
            "SnapshotsEnabledUpdate": True, "SnapshotModeUpdate": "ENHANCED_SNAPSHOTS"}}
        self.succeed(name, self.update(name, ApplicationConfigurationUpdate=configuration))

    def feed(self, name, first, last):
        text = "".join(f"{i},{i * 10}\n" for i in range(first, last))
        drop_file(self.work / name / "in", f"{first:09}.csv", text)

    def expect_rows(self, name, first, last):
        rows = sorted(f"{i},{i * 20}" for i in range(first, last))
        out = self.work / name / "out"
        until(f"{len(rows)} rows", lambda: len(finished_lines(out)) >= len(rows), 60)
        self.assertEqual(sorted(finished_lines(out)), rows)

    def ended(self, snapshot, answer):
        def look():
            details = self.client.describe_snapshot_operation(
                SnapshotName=snapshot, SnapshotOperationId=answer["SnapshotOperationId"],
            )["SnapshotOperationInfoDetails"]
            return details if details["SnapshotOperationStatus"] != "IN_PROGRESS" else None
        return until(f"operation of {snapshot}", look, 60)

    def details(self, snapshot):
        return self.client.describe_snapshot(SnapshotName=snapshot)["SnapshotInfoDetails"]

    def gone(self, call, **arguments):
        try:
            call(**arguments)
        except self.client.exceptions.ResourceNotFoundException:
            return True
        return False


class EnhancedSnapshots(EnhancedCalls, ServerTest):
    def test_a_snapshot_outlives_its_application_and_starts_another(self):
        name = self.name()
        sql = script(self.work, name)
        self.enhanced(name, sql)
        self.feed(name, 0, 100)
        self.run_application(name)
        self.expect_rows(name, 0, 100)
        shown = self.client.describe_application(
            ApplicationName=name, IncludeAdditionalDetails=True)["ApplicationDetail"]
        flink = shown["ApplicationConfigurationDescription"]["FlinkApplicationConfigurationDescription"]
        self.assertIn('"nodes"', flink["JobPlanDescription"])
        taken = self.client.create_snapshot(
            ApplicationName=name, SnapshotName="keep", SnapshotDescription="kept",
            Tags=[{"Key": "team", "Value": "orders"}])
        self.assertEqual(taken["SnapshotStatus"], "CREATING")
        operation = self.ended("keep", taken)
        self.assertEqual(operation["SnapshotOperationStatus"], "SUCCESSFUL", operation)
        details = self.details("keep")
        self.assertEqual((details["SnapshotStatus"], details["RuntimeEnvironment"]),
                         ("READY", "FLINK-1_20"))
        tags = self.client.list_tags_for_resource(ResourceARN=taken["SnapshotArn"])["Tags"]
        self.assertEqual(tags, [{"Key": "team", "Value": "orders"}])

        self.client.delete_application(
            ApplicationName=name, CreateTimestamp=self.detail(name)["CreateTimestamp"])
        until("the application gone",
              lambda: self.gone(self.client.describe_application, ApplicationName=name))
        self.assertEqual(self.details("keep")["SnapshotStatus"], "READY")

        # Reads the files after those that the snapshot has read, and no other.
        other = name + "-restored"
        self.enhanced(other, sql)
        self.feed(name, 100, 200)
        start = self.client.start_application(ApplicationName=other, RunConfiguration={
            "ApplicationRestoreConfiguration": {
                "ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT",
                "SnapshotArn": taken["SnapshotArn"]}})
        message = self.refused(
            "ResourceInUseException", self.client.delete_snapshot, SnapshotName="keep",
            SnapshotCreationTimestamp=details["SnapshotCreationTimestamp"])
        self.assertIn(f"used by StartApplication of application {other}", message)
        self.succeed(other, start)
        running = self.detail(other)["ApplicationConfigurationDescription"]
        restore = running["RunConfigurationDescription"]["ApplicationRestoreConfigurationDescription"]
        self.assertEqual(restore["SnapshotArn"], taken["SnapshotArn"])
        self.expect_rows(name, 0, 200)

        deleted = self.client.delete_snapshot(
            SnapshotName="keep", SnapshotCreationTimestamp=details["SnapshotCreationTimestamp"])
        self.assertEqual(deleted["SnapshotStatus"], "DELETING")
        self.assertEqual(self.ended("keep", deleted)["SnapshotOperationStatus"], "SUCCESSFUL")
        self.assertTrue(self.gone(self.client.describe_snapshot, SnapshotName="keep"))
        self.assertEqual(list((self.server.data / "snapshots").glob("*/enhanced-*/*")), [])

    def test_a_stop_takes_a_system_snapshot(self):
        name = self.name()
        self.enhanced(name, script(self.work, name))
        self.feed(name, 0, 100)
        self.run_application(name)
        self.expect_rows(name, 0, 100)
        stop = self.client.stop_application(ApplicationName=name)
        self.succeed(name, stop)
        listed = self.client.list_snapshots(SourceApplicationName=name)["SnapshotInfoList"]
        self.assertEqual([s["SnapshotInitiatorOperation"] for s in listed],
                         ["SystemCreateSnapshot"])
        self.assertEqual((listed[0]["SnapshotInitiator"], listed[0]["SnapshotStatus"]),
                         ("SYSTEM", "READY"))
        snapshot = listed[0]["SnapshotName"]
        self.assertTrue(snapshot.startswith("SYSTEMSNAPSHOT"))
        operations = self.client.list_snapshot_operations(
            SnapshotName=snapshot)["SnapshotOperationInfoList"]
        details = self.ended(snapshot, operations[0])
        self.assertEqual(details["ApplicationOperationDescription"],
                         {"ApplicationName": name, "ApplicationOperationId": stop["OperationId"]})
        self.feed(name, 100, 200)
        self.run_application(name)
        self.expect_rows(name, 0, 200)


class Retention(EnhancedCalls, ServerTest):
    """Snapshots that the service took go by policy, those that a start needs stay."""

    def taken(self):
        found = self.client.list_snapshots(SnapshotStatus="READY")["SnapshotInfoList"]
        return [one["SnapshotName"] for one in found]

    def test_old_snapshots_go_and_the_newest_starts_the_job(self):
        name = self.name()
        self.enhanced(name, script(self.work, name))
        for part in range(3):
            self.feed(name, part * 100, part * 100 + 100)
            self.run_application(name)
            self.expect_rows(name, 0, part * 100 + 100)
            self.succeed(name, self.client.stop_application(ApplicationName=name))
        taken = self.taken()
        self.assertEqual(len(taken), 3)
        self.server.kill()
        self.server.more = ("--keep-automatic-snapshots", "1")
        self.server.start()
        type(self).client = self.client = self.server.boto()
        until("two of them gone", lambda: self.taken() == taken[:1], 60)
        until("their files gone", lambda: len(list(
            (self.server.data / "snapshots").glob("*/*/_metadata"))) == 1)
        self.feed(name, 300, 400)
        self.run_application(name)
        self.expect_rows(name, 0, 400)


if __name__ == "__main__":
    unittest.main()
