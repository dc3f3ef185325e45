//! VPC configurations, logging options, the maintenance window, links to the dashboard.

use super::*;

static TIME_OF_DAY: Pattern = Pattern::new("([01][0-9]|2[0-3]):[0-5][0-9]");

static SUBNET_ID: Shape = text(0, 1024);
static SUBNET_IDS: Shape = Shape::List { of: &SUBNET_ID, min: 1, max: 16 };
static SECURITY_GROUP_ID: Shape = text(0, 1024);
static SECURITY_GROUP_IDS: Shape = Shape::List { of: &SECURITY_GROUP_ID, min: 1, max: 5 };
structure!(VPC_CONFIGURATION {
    required "SubnetIds": SUBNET_IDS,
    required "SecurityGroupIds": SECURITY_GROUP_IDS,
});
pub static VPC_CONFIGURATIONS: Shape = Shape::List { of: &VPC_CONFIGURATION, min: 0, max: 100 };
structure!(VPC_CONFIGURATION_UPDATE {
    required "VpcConfigurationId": ID,
    optional "SubnetIdUpdates": SUBNET_IDS,
    optional "SecurityGroupIdUpdates": SECURITY_GROUP_IDS,
});
pub static VPC_CONFIGURATION_UPDATES: Shape =
    Shape::List { of: &VPC_CONFIGURATION_UPDATE, min: 0, max: 100 };
structure!(CLOUD_WATCH_LOGGING_OPTION {
    required "LogStreamARN": ANY_ARN,
});
pub static CLOUD_WATCH_LOGGING_OPTIONS: Shape =
    Shape::List { of: &CLOUD_WATCH_LOGGING_OPTION, min: 0, max: 100 };
structure!(CLOUD_WATCH_LOGGING_OPTION_UPDATE {
    required "CloudWatchLoggingOptionId": ID,
    optional "LogStreamARNUpdate": ANY_ARN,
});
pub static CLOUD_WATCH_LOGGING_OPTION_UPDATES: Shape =
    Shape::List { of: &CLOUD_WATCH_LOGGING_OPTION_UPDATE, min: 0, max: 100 };
structure!(pub ADD_APPLICATION_CLOUD_WATCH_LOGGING_OPTION {
    required "ApplicationName": APPLICATION_NAME,
    optional "CurrentApplicationVersionId": VERSION_ID,
    required "CloudWatchLoggingOption": CLOUD_WATCH_LOGGING_OPTION,
    optional "ConditionalToken": CONDITIONAL_TOKEN,
});
structure!(pub ADD_APPLICATION_VPC_CONFIGURATION {
    required "ApplicationName": APPLICATION_NAME,
    optional "CurrentApplicationVersionId": VERSION_ID,
    required "VpcConfiguration": VPC_CONFIGURATION,
    optional "ConditionalToken": CONDITIONAL_TOKEN,
});
static URL_TYPE: Shape = Shape::Enum(&["FLINK_DASHBOARD_URL", "ZEPPELIN_UI_URL"]);
static SESSION_EXPIRATION_DURATION_IN_SECONDS: Shape = Shape::Long { min: 1800, max: 43_200 };
structure!(pub CREATE_APPLICATION_PRESIGNED_URL {
    required "ApplicationName": APPLICATION_NAME,
    required "UrlType": URL_TYPE,
    optional "SessionExpirationDurationInSeconds": SESSION_EXPIRATION_DURATION_IN_SECONDS,
});
structure!(pub DELETE_APPLICATION_CLOUD_WATCH_LOGGING_OPTION {
    required "ApplicationName": APPLICATION_NAME,
    optional "CurrentApplicationVersionId": VERSION_ID,
    required "CloudWatchLoggingOptionId": ID,
    optional "ConditionalToken": CONDITIONAL_TOKEN,
});
structure!(pub DELETE_APPLICATION_VPC_CONFIGURATION {
    required "ApplicationName": APPLICATION_NAME,
    optional "CurrentApplicationVersionId": VERSION_ID,
    required "VpcConfigurationId": ID,
    optional "ConditionalToken": CONDITIONAL_TOKEN,
});
static APPLICATION_MAINTENANCE_WINDOW_START_TIME: Shape = matching(5, 5, &TIME_OF_DAY);
structure!(APPLICATION_MAINTENANCE_CONFIGURATION_UPDATE {
    required "ApplicationMaintenanceWindowStartTimeUpdate": APPLICATION_MAINTENANCE_WINDOW_START_TIME,
});
structure!(pub UPDATE_APPLICATION_MAINTENANCE_CONFIGURATION {
    required "ApplicationName": APPLICATION_NAME,
    required "ApplicationMaintenanceConfigurationUpdate": APPLICATION_MAINTENANCE_CONFIGURATION_UPDATE,
});
