"""Application code from an S3 endpoint; the endpoint is moto, a stand-in for S3."""

import json
import unittest

import boto3

from millrace_server import KEYS, REGION, ROLE, Server, ServerTest, moto
from test_validation import SCRIPT


class S3StandIn(ServerTest):
    """A server with moto as its S3."""

    @classmethod
    def setUpClass(cls):
        endpoint = moto(cls, cls.prepare)
        cls.server = Server("--s3-endpoint", endpoint)
        cls.addClassCleanup(cls.server.close)
        cls.client = cls.server.boto()
        cls.work = cls.server.directory

    @classmethod
    def prepare(cls, endpoint):
        cls.s3 = boto3.client("s3", endpoint_url=endpoint, region_name=REGION,
                              aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                              aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"])
        cls.s3.create_bucket(Bucket="code")


class CodeFromS3StandIn(S3StandIn):
    def create_from(self, key, client=None):
        location = {"BucketARN": "arn:aws:s3:::code", "FileKey": key}
        return (client or self.client).create_application(
            ApplicationName=self.name(), RuntimeEnvironment="FLINK-1_18", ServiceExecutionRole=ROLE,
            ApplicationConfiguration={"ApplicationCodeConfiguration": {
                "CodeContentType": "PLAINTEXT", "CodeContent": {"S3ContentLocation": location}}})

    def test_a_script_is_fetched_and_runs(self):
        self.s3.put_object(Bucket="code", Key="jobs/main.sql", Body=SCRIPT.encode())
        detail = self.create_from("jobs/main.sql")["ApplicationDetail"]
        code = detail["ApplicationConfigurationDescription"]["ApplicationCodeConfigurationDescription"]
        location = code["CodeContentDescription"]["S3ApplicationCodeLocationDescription"]
        self.assertEqual(location["FileKey"], "jobs/main.sql")
        self.run_application(self.name())
        self.assertEqual(self.detail(self.name())["ApplicationStatus"], "RUNNING")

    def test_a_missing_object_is_named(self):
        message = ""
        try:
            self.create_from("absent.sql")
        except self.client.exceptions.InvalidArgumentException as refusal:
            message = str(refusal)
        self.assertIn("unable to get the specified fileKey: absent.sql in the specified bucket: code",
                      message)

    def test_another_account_fetches_nothing_that_is_not_listed(self):
        self.s3.put_object(Bucket="code", Key="private/main.sql", Body=SCRIPT.encode())
        made = json.loads(self.server.millrace("keys", "create", "--account", "111111111111",
                                               "--output", "json").stdout)
        client = self.server.boto({"aws_access_key_id": made["AccessKeyId"],
                                   "aws_secret_access_key": made["SecretAccessKey"]})
        for key in ("private/main.sql", "absent.sql"):
            with self.assertRaises(client.exceptions.InvalidArgumentException) as refusal:
                self.create_from(key, client)
            self.assertIn(f"may not fetch code from s3://code/{key}", str(refusal.exception))


if __name__ == "__main__":
    unittest.main()
