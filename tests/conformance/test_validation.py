"""What clients do not check, the server does; errors carry the codes that clients act on."""

import datetime
import json
import unittest
import urllib.error
import urllib.request

from millrace_server import ROLE, ServerTest

SCRIPT = """
CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10');
CREATE TABLE nowhere (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO nowhere SELECT n FROM numbers;
"""


class Validation(ServerTest):
    def base(self, **changes):
        request = {"ApplicationName": self.name(), "RuntimeEnvironment": "FLINK-1_18",
                   "ServiceExecutionRole": ROLE}
        return {**request, **changes}

    def test_what_boto3_sends_unchecked_is_checked(self):
        create = self.client.create_application
        bad = [
            {"ApplicationName": "bad name!"},
            {"ApplicationName": "x" * 129},
            {"RuntimeEnvironment": "FLINK-9_9"},
            {"ServiceExecutionRole": "not-an-arn"},
            {"ApplicationDescription": "x" * 1025},
            {"ApplicationMode": "SOMETIMES"},
            {"ApplicationConfiguration": {"FlinkApplicationConfiguration": {
                "MonitoringConfiguration": {"ConfigurationType": "CUSTOM", "LogLevel": "LOUD"}}}},
        ]
        for change in bad:
            with self.subTest(change=str(change)[:80]):
                message = self.refused("InvalidArgumentException", create, **self.base(**change))
                self.assertTrue(message)
        # This client checks the least values itself; others do not.
        for flink in ({"ParallelismConfiguration": {"ConfigurationType": "CUSTOM", "Parallelism": 0}},
                      {"CheckpointConfiguration": {
                          "ConfigurationType": "CUSTOM", "CheckpointInterval": 0}}):
            configuration = {"FlinkApplicationConfiguration": flink}
            request = self.base(ApplicationConfiguration=configuration)
            with self.subTest(flink=str(flink)):
                answer = self.raw("CreateApplication", json.dumps(request))
                self.assertEqual(answer["__type"].rsplit("#")[-1], "InvalidArgumentException")
        self.refused("InvalidArgumentException", self.client.list_application_operations,
                     ApplicationName=self.name(), Limit=51)
        self.refused("ResourceNotFoundException", self.client.describe_application,
                     ApplicationName=self.name())

    def test_runtimes_not_offered_are_refused_with_those_that_are(self):
        message = self.refused("InvalidArgumentException", self.client.create_application,
                               **self.base(RuntimeEnvironment="FLINK-1_6"))
        for offered in ("FLINK-1_15", "FLINK-1_18", "FLINK-1_19", "FLINK-1_20"):
            self.assertIn(offered, message)

    def test_defaults_are_shown(self):
        self.client.create_application(**self.base())
        detail = self.detail(self.name())
        self.assertEqual(detail["ApplicationStatus"], "READY")
        self.assertEqual(detail["ApplicationVersionId"], 1)
        self.assertEqual(
            detail["ApplicationARN"].rsplit(":", 1)[1], f"application/{self.name()}")
        shown = detail["ApplicationConfigurationDescription"]
        flink = shown["FlinkApplicationConfigurationDescription"]
        self.assertTrue(shown["ApplicationSnapshotConfigurationDescription"]["SnapshotsEnabled"])
        self.assertEqual(flink["CheckpointConfigurationDescription"], {
            "ConfigurationType": "DEFAULT", "CheckpointingEnabled": True,
            "CheckpointInterval": 60000, "MinPauseBetweenCheckpoints": 5000})
        self.assertEqual(flink["MonitoringConfigurationDescription"], {
            "ConfigurationType": "DEFAULT", "MetricsLevel": "APPLICATION", "LogLevel": "INFO"})
        parallelism = flink["ParallelismConfigurationDescription"]
        self.assertEqual(
            (parallelism["Parallelism"], parallelism["ParallelismPerKPU"],
             parallelism["AutoScalingEnabled"]), (1, 1, True))
        self.assertNotIn("RunConfigurationDescription", shown)

    def test_names_versions_and_times_are_held_to(self):
        name = self.name()
        created = self.create(name, SCRIPT)
        self.refused("ResourceInUseException", self.client.create_application, **self.base())
        self.refused("ConcurrentModificationException", self.client.update_application,
                     ApplicationName=name, CurrentApplicationVersionId=7,
                     RuntimeEnvironmentUpdate="FLINK-1_19")
        self.refused("ConcurrentModificationException", self.client.update_application,
                     ApplicationName=name, ConditionalToken="c3RhbGU=",
                     RuntimeEnvironmentUpdate="FLINK-1_19")
        wrong = created["CreateTimestamp"] - datetime.timedelta(hours=1)
        self.refused("InvalidArgumentException", self.client.delete_application,
                     ApplicationName=name, CreateTimestamp=wrong)
        token = self.detail(name)["ConditionalToken"]
        update = self.client.update_application(
            ApplicationName=name, ConditionalToken=token, RuntimeEnvironmentUpdate="FLINK-1_19")
        self.assertEqual(update["ApplicationDetail"]["ApplicationVersionId"], 2)
        versions = self.client.list_application_versions(ApplicationName=name)
        self.assertEqual(
            sorted(v["ApplicationVersionId"] for v in versions["ApplicationVersionSummaries"]), [1, 2])
        first = self.client.describe_application_version(
            ApplicationName=name, ApplicationVersionId=1)["ApplicationVersionDetail"]
        self.assertEqual(first["RuntimeEnvironment"], "FLINK-1_18")

    def test_calls_that_the_status_forbids(self):
        name = self.name()
        self.create(name, SCRIPT)
        self.refused("ResourceInUseException", self.client.stop_application, ApplicationName=name)
        self.run_application(name)
        self.refused("ResourceInUseException", self.client.start_application, ApplicationName=name)
        self.succeed(name, self.client.stop_application(ApplicationName=name))

    def test_tags(self):
        arn = self.create(self.name(), SCRIPT, Tags=[{"Key": "a", "Value": "1"}])["ApplicationARN"]
        self.client.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}])
        self.client.untag_resource(ResourceARN=arn, TagKeys=["a"])
        tags = self.client.list_tags_for_resource(ResourceARN=arn)["Tags"]
        self.assertEqual(tags, [{"Key": "b", "Value": "2"}])

    def test_pages(self):
        for number in range(3):
            self.create(f"{self.name()}-{number}", SCRIPT)
        pages = list(self.client.get_paginator("list_applications").paginate(
            PaginationConfig={"PageSize": 1}))
        names = [s["ApplicationName"] for page in pages for s in page["ApplicationSummaries"]]
        self.assertEqual(names, sorted(set(names)))
        self.assertTrue({f"{self.name()}-{n}" for n in range(3)} <= set(names))

    def test_a_retry_of_the_same_call_gets_the_same_answer(self):
        name = self.name()
        self.create(name, SCRIPT)
        client = self.server.boto()
        client.meta.events.register(
            "before-send", lambda request, **_: request.headers.__setitem__(
                "amz-sdk-invocation-id", "6f5a3c1e-0000-4000-8000-000000000001"))
        request = {"ApplicationName": name, "CurrentApplicationVersionId": 1,
                   "RuntimeEnvironmentUpdate": "FLINK-1_19"}
        first = client.update_application(**request)
        again = client.update_application(**request)
        self.assertEqual(first["ApplicationDetail"], again["ApplicationDetail"])
        self.assertEqual(first.get("OperationId"), again.get("OperationId"))
        self.assertEqual(self.detail(name)["ApplicationVersionId"], 2)

    def test_operations_not_offered_say_so(self):
        self.refused("UnsupportedOperationException", self.client.discover_input_schema,
                     ServiceExecutionRole=ROLE)
        self.assertEqual(self.raw("NoSuchOperation", "{}")["__type"].rsplit("#")[-1],
                         "UnknownOperationException")

    def test_broken_bodies_are_errors_and_nothing_else(self):
        for body in ("", "{", "[]", "null", '{"ApplicationName": 7}', '{"ApplicationName": null}',
                     '{"ApplicationName": "\\u0000"}', "\xff"):
            with self.subTest(body=body):
                self.assertIn("Exception", self.raw("DescribeApplication", body)["__type"])
        self.assertEqual(self.client.list_applications()["ResponseMetadata"]["HTTPStatusCode"], 200)

    def raw(self, operation, body):
        request = self.server.signed(operation, body.encode("latin-1"))
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        self.assertEqual(caught.exception.code, 400)
        return json.loads(caught.exception.read())


if __name__ == "__main__":
    unittest.main()
