//! VPC configurations, CloudWatch logging options and the maintenance window: kept,
//! versioned and shown.

mod support;

use millrace_domain::Status;
use serde_json::{Value, json};
use support::{Api, creation, with};

const STREAM: &str = "arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:s";

fn at(version: u64, more: Value) -> Value {
    with(json!({ "ApplicationName": "app", "CurrentApplicationVersionId": version }), more)
}

fn vpc(subnet: &str) -> Value {
    json!({ "SubnetIds": [subnet], "SecurityGroupIds": ["sg-1"] })
}

impl Api {
    async fn configuration(&self) -> Value {
        self.describe("app").await["ApplicationConfigurationDescription"].clone()
    }
}

#[tokio::test]
async fn a_vpc_configuration_is_added_updated_and_deleted_each_in_a_version() {
    let api = Api::new().await;
    api.create("app").await;
    let add = |version: u64| at(version, json!({ "VpcConfiguration": vpc("subnet-1") }));
    let added = api.ok("AddApplicationVpcConfiguration", add(1)).await;
    let description = &added["VpcConfigurationDescription"];
    assert_eq!(added["ApplicationVersionId"], 2);
    assert_eq!(description["VpcConfigurationId"], "2.1");
    assert_eq!(description["SubnetIds"], json!(["subnet-1"]));
    assert!(description["VpcId"].as_str().unwrap().starts_with("vpc-"));
    assert_eq!(api.configuration().await["VpcConfigurationDescriptions"], json!([description]));

    let operation = json!({ "ApplicationName": "app", "OperationId": added["OperationId"] });
    let details = api.ok("DescribeApplicationOperation", operation).await;
    let details = &details["ApplicationOperationInfoDetails"];
    assert_eq!(details["Operation"], "AddApplicationVpcConfiguration");
    assert_eq!(details["OperationStatus"], "SUCCESSFUL");
    let changes = json!({ "ApplicationVersionUpdatedFrom": 1, "ApplicationVersionUpdatedTo": 2 });
    assert_eq!(details["ApplicationVersionChangeDetails"], changes);

    let code = "InvalidArgumentException";
    api.refused("AddApplicationVpcConfiguration", add(2), code, "VpcConfiguration").await;
    let update = |id: &str, version: u64| {
        let updates = json!([{ "VpcConfigurationId": id, "SubnetIdUpdates": ["subnet-2"] }]);
        let update = json!({ "VpcConfigurationUpdates": updates });
        at(version, json!({ "ApplicationConfigurationUpdate": update }))
    };
    api.refused("UpdateApplication", update("1.1", 2), "ResourceNotFoundException", "1.1").await;
    api.ok("UpdateApplication", update("2.1", 2)).await;
    let shown = api.configuration().await["VpcConfigurationDescriptions"][0].clone();
    assert_eq!(shown["SubnetIds"], json!(["subnet-2"]));
    assert_eq!(shown["SecurityGroupIds"], json!(["sg-1"]));
    assert_ne!(shown["VpcId"], description["VpcId"]);

    let token = api.describe("app").await["ConditionalToken"].clone();
    let delete = |token: Value, id: &str| json!({ "ApplicationName": "app", "ConditionalToken": token, "VpcConfigurationId": id });
    let stale = delete(json!("c3RhbGU="), "2.1");
    let code = "ConcurrentModificationException";
    api.refused("DeleteApplicationVpcConfiguration", stale, code, "ConditionalToken").await;
    let deleted = api.ok("DeleteApplicationVpcConfiguration", delete(token, "2.1")).await;
    assert_eq!(deleted["ApplicationVersionId"], 4);
    assert!(deleted["OperationId"].is_string());
    assert!(api.configuration().await.get("VpcConfigurationDescriptions").is_none());
    let version = json!({ "ApplicationName": "app", "ApplicationVersionId": 2 });
    let earlier = api.ok("DescribeApplicationVersion", version).await;
    let earlier = &earlier["ApplicationVersionDetail"]["ApplicationConfigurationDescription"];
    assert_eq!(earlier["VpcConfigurationDescriptions"][0]["VpcConfigurationId"], "2.1");
}

#[tokio::test]
async fn logging_options_are_added_updated_and_deleted_each_in_a_version() {
    let api = Api::new().await;
    let stream = |name: &str| json!({ "LogStreamARN": format!("{STREAM}{name}") });
    let options = json!({ "CloudWatchLoggingOptions": [stream("1")] });
    api.ok("CreateApplication", with(creation("app"), options)).await;
    let shown =
        || async { api.describe("app").await["CloudWatchLoggingOptionDescriptions"].clone() };
    let described =
        |id: &str, name: &str| with(stream(name), json!({ "CloudWatchLoggingOptionId": id }));
    assert_eq!(shown().await, json!([described("1.1", "1")]));
    let add =
        |version: u64, name: &str| at(version, json!({ "CloudWatchLoggingOption": stream(name) }));
    let operation = "AddApplicationCloudWatchLoggingOption";
    let code = "InvalidArgumentException";
    api.refused(operation, add(1, "1"), code, "already").await;
    let none = json!({ "ApplicationName": "app", "CloudWatchLoggingOption": stream("2") });
    api.refused(operation, none, code, "one of the two").await;
    let added = api.ok(operation, add(1, "2")).await;
    let both = json!([described("1.1", "1"), described("2.1", "2")]);
    assert_eq!(added["CloudWatchLoggingOptionDescriptions"], both);
    let code = "ConcurrentModificationException";
    api.refused(operation, add(1, "3"), code, "version 2").await;

    let update = json!([{ "CloudWatchLoggingOptionId": "1.1",
        "LogStreamARNUpdate": format!("{STREAM}9") }]);
    let update = at(2, json!({ "CloudWatchLoggingOptionUpdates": update }));
    api.ok("UpdateApplication", update).await;
    assert_eq!(shown().await, json!([described("1.1", "9"), described("2.1", "2")]));
    let delete = |version, id: &str| at(version, json!({ "CloudWatchLoggingOptionId": id }));
    let operation = "DeleteApplicationCloudWatchLoggingOption";
    let code = "ResourceNotFoundException";
    api.refused(operation, delete(3, "7.7"), code, "7.7").await;
    let deleted = api.ok(operation, delete(3, "1.1")).await;
    assert_eq!(deleted["CloudWatchLoggingOptionDescriptions"], json!([described("2.1", "2")]));
    assert_eq!(api.describe("app").await["ApplicationVersionId"], 4);
}

#[tokio::test]
async fn options_do_not_stop_a_running_job_and_wait_for_what_is_in_progress() {
    let api = Api::new().await;
    api.create("app").await;
    api.ok("StartApplication", json!({ "ApplicationName": "app" })).await;
    let add = |version: u64| at(version, json!({ "VpcConfiguration": vpc("subnet-1") }));
    let operation = "AddApplicationVpcConfiguration";
    api.refused(operation, add(1), "ResourceInUseException", operation).await;
    api.settle("app", Status::Running).await;
    api.ok(operation, add(1)).await;
    let detail = api.describe("app").await;
    assert_eq!(
        (&detail["ApplicationStatus"], &detail["ApplicationVersionId"]),
        (&json!("RUNNING"), &json!(2))
    );
    let none = json!({ "ApplicationName": "none", "CurrentApplicationVersionId": 1,
        "VpcConfiguration": vpc("s") });
    api.refused(operation, none, "ResourceNotFoundException", "none").await;
}

#[tokio::test]
async fn the_maintenance_window_is_eight_hours_from_its_start() {
    let api = Api::new().await;
    api.create("app").await;
    let shown = || async {
        let detail = api.describe("app").await;
        let window = &detail["ApplicationMaintenanceConfigurationDescription"];
        (
            window["ApplicationMaintenanceWindowStartTime"].clone(),
            window["ApplicationMaintenanceWindowEndTime"].clone(),
        )
    };
    assert_eq!(shown().await, (json!("03:00"), json!("11:00")));
    let update = |time: &str| {
        let update = json!({ "ApplicationMaintenanceWindowStartTimeUpdate": time });
        json!({ "ApplicationName": "app", "ApplicationMaintenanceConfigurationUpdate": update })
    };
    let operation = "UpdateApplicationMaintenanceConfiguration";
    let answer = api.ok(operation, update("20:30")).await;
    assert!(answer["ApplicationARN"].as_str().unwrap().ends_with("application/app"));
    assert_eq!(shown().await, (json!("20:30"), json!("04:30")));
    assert_eq!(api.describe("app").await["ApplicationVersionId"], 1, "it makes no version");
    api.refused(operation, update("24:00"), "InvalidArgumentException", "StartTime").await;
    api.ok("StartApplication", json!({ "ApplicationName": "app" })).await;
    api.refused(operation, update("01:00"), "ResourceInUseException", "STARTING").await;
    assert_eq!(shown().await, (json!("20:30"), json!("04:30")));
}
