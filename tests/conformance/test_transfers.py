"""Enhanced snapshots to S3 and back; the endpoint is moto, a stand-in for S3."""

import json
import os
import signal
import zlib

from millrace_server import ROLE, until
from test_s3 import S3StandIn
from test_snapshots import EnhancedCalls, script


def place(prefix):
    return {"BucketARN": "arn:aws:s3:::code", "KeyPrefix": prefix}


class SnapshotsInS3(S3StandIn, EnhancedCalls):
    def export(self, name, prefix):
        return self.client.export_snapshot(SnapshotName=name, ExportDestinationConfiguration={
            "DestinationType": "S3", "ExportRoleArn": ROLE,
            "DestinationS3PrefixLocation": place(prefix)})

    def import_from(self, name, prefix):
        return self.client.import_snapshot(SnapshotName=name, ImportSourceConfiguration={
            "SourceType": "S3", "ImportRoleArn": ROLE, "SourceS3PrefixLocation": place(prefix)})

    def keys(self, prefix):
        found = self.s3.list_objects_v2(Bucket="code", Prefix=prefix).get("Contents", [])
        return sorted(entry["Key"] for entry in found)

    def kept(self):
        return list((self.server.data / "snapshots").glob("import-*/*"))

    def put_snapshot(self, prefix, state):
        """A savepoint without operators, as a manifest describes it."""
        manifest = json.dumps({
            "format": 4, "runtime": "FLINK-1_20", "application": "a", "generation": 1,
            "checkpoint": 1, "kind": "savepoint", "created_at_ms": 1, "max_parallelism": 128,
            "held": False, "operators": [],
            "files": [{"name": "state", "length": len(state), "crc32": zlib.crc32(state)}],
        }).encode()
        manifest += b"\n%08x\n" % zlib.crc32(manifest)
        self.s3.put_object(Bucket="code", Key=f"{prefix}/state", Body=state)
        self.s3.put_object(Bucket="code", Key=f"{prefix}/_metadata", Body=manifest)

    def test_a_snapshot_goes_out_and_comes_back_into_another_application(self):
        name = self.name()
        sql = script(self.work, name)
        self.enhanced(name, sql)
        self.feed(name, 0, 100)
        self.run_application(name)
        self.expect_rows(name, 0, 100)
        taken = self.client.create_snapshot(ApplicationName=name, SnapshotName="out")
        self.assertEqual(self.ended("out", taken)["SnapshotOperationStatus"], "SUCCESSFUL")
        size = until("its size", lambda: self.details("out")["SnapshotSizeInBytes"] or None)
        exported = self.ended("out", self.export("out", "backups/orders"))
        self.assertEqual(exported["SnapshotOperationStatus"], "SUCCESSFUL", exported)
        written = exported["SnapshotDestinationLocationDescription"]["S3PrefixLocation"]
        prefix = written["ExportedPrefix"]
        self.assertEqual(prefix, f"backups/orders/{exported['SnapshotOperationId']}")
        self.assertIn(f"{prefix}/_metadata", self.keys(prefix))
        self.assertEqual(len(self.keys("backups/orders")), len(self.keys(prefix)))

        deleted = self.client.delete_snapshot(
            SnapshotName="out",
            SnapshotCreationTimestamp=self.details("out")["SnapshotCreationTimestamp"])
        self.assertEqual(self.ended("out", deleted)["SnapshotOperationStatus"], "SUCCESSFUL")
        self.client.delete_application(
            ApplicationName=name, CreateTimestamp=self.detail(name)["CreateTimestamp"])
        until("the application gone",
              lambda: self.gone(self.client.describe_application, ApplicationName=name))

        imported = self.import_from("back", prefix)
        self.assertEqual(imported["SnapshotStatus"], "CREATING")
        operation = self.ended("back", imported)
        self.assertEqual(operation["SnapshotOperationStatus"], "SUCCESSFUL", operation)
        details = self.details("back")
        self.assertEqual((details["SnapshotStatus"], details["SnapshotSizeInBytes"],
                          details["SnapshotInitiatorOperation"]), ("READY", size, "ImportSnapshot"))
        self.assertNotIn("RuntimeEnvironment", details)
        # Reads the files after those that the snapshot has read, and no other.
        other = name + "-restored"
        self.enhanced(other, sql)
        self.feed(name, 100, 200)
        self.succeed(other, self.client.start_application(
            ApplicationName=other, RunConfiguration={"ApplicationRestoreConfiguration": {
                "ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT",
                "SnapshotArn": imported["SnapshotArn"]}}))
        self.expect_rows(name, 0, 200)

    def test_a_damaged_snapshot_is_refused_and_nothing_of_it_stays(self):
        before = self.kept()
        cases = {
            "cut": (lambda prefix: self.s3.put_object(
                Bucket="code", Key=f"{prefix}/state", Body=b"short"), "state has 5 bytes"),
            "flipped": (lambda prefix: self.s3.put_object(
                Bucket="code", Key=f"{prefix}/state", Body=b"y" * 100), "checksum"),
            "missing": (lambda prefix: self.s3.delete_object(
                Bucket="code", Key=f"{prefix}/state"), "state is missing"),
            "headless": (lambda prefix: self.s3.delete_object(
                Bucket="code", Key=f"{prefix}/_metadata"), "There is no snapshot at s3://code/"),
        }
        for name, (damage, cause) in cases.items():
            with self.subTest(name):
                self.put_snapshot(f"damaged/{name}", b"x" * 100)
                damage(f"damaged/{name}")
                ended = self.ended(name, self.import_from(name, f"damaged/{name}"))
                self.assertEqual(ended["SnapshotOperationStatus"], "FAILED")
                error = ended["SnapshotOperationFailureDetails"]["ErrorInfo"]["ErrorString"]
                self.assertIn(cause, error)
                self.assertEqual(self.details(name)["SnapshotStatus"], "FAILED")
        self.assertEqual(self.kept(), before)
        nowhere = self.ended("nowhere", self.client.import_snapshot(
            SnapshotName="nowhere", ImportSourceConfiguration={
                "SourceType": "S3", "ImportRoleArn": ROLE, "SourceS3PrefixLocation": {
                    "BucketARN": "arn:aws:s3:::no-such-bucket", "KeyPrefix": "p"}}))
        error = nowhere["SnapshotOperationFailureDetails"]["ErrorInfo"]["ErrorString"]
        self.assertIn("there is no bucket no-such-bucket", error)

    def test_large_files_go_in_parts_and_a_killed_server_goes_on(self):
        # Beyond one part, of no whole number of them.
        state = os.urandom(1 << 20) * 33 + b"end"
        self.put_snapshot("large", state)
        imported = self.import_from("large", "large")
        self.server.process.send_signal(signal.SIGKILL)
        self.server.process.wait()
        self.server.start()
        type(self).client = self.client = self.server.boto()
        operation = self.ended("large", imported)
        self.assertEqual(operation["SnapshotOperationStatus"], "SUCCESSFUL", operation)
        exported = self.ended("large", self.export("large", "parts"))
        self.assertEqual(exported["SnapshotOperationStatus"], "SUCCESSFUL", exported)
        written = exported["SnapshotDestinationLocationDescription"]["S3PrefixLocation"]
        key = written["ExportedPrefix"] + "/state"
        found = self.s3.get_object(Bucket="code", Key=key)["Body"].read()
        self.assertTrue(found == state, f"{len(found)} bytes came back")


if __name__ == "__main__":
    import unittest
    unittest.main()
