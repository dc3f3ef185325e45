//! VPC configurations, logging options, the maintenance window, links to the dashboard.

use serde::{Deserialize, Serialize};

wire! {
    VpcConfiguration {
        subnet_ids: Vec<String>,
        security_group_ids: Vec<String>;
    }
    VpcConfigurationUpdate {
        vpc_configuration_id: String;
        subnet_id_updates: Vec<String>,
        security_group_id_updates: Vec<String>,
    }
    VpcConfigurationDescription {
        vpc_configuration_id: String,
        vpc_id: String,
        subnet_ids: Vec<String>,
        security_group_ids: Vec<String>;
    }
    CloudWatchLoggingOption {
        #[serde(rename = "LogStreamARN")]
        log_stream_arn: String;
    }
    CloudWatchLoggingOptionUpdate {
        cloud_watch_logging_option_id: String;
        #[serde(rename = "LogStreamARNUpdate")]
        log_stream_arn_update: String,
    }
    CloudWatchLoggingOptionDescription {
        #[serde(rename = "LogStreamARN")]
        log_stream_arn: String;
        cloud_watch_logging_option_id: String,
    }
    AddApplicationVpcConfigurationRequest {
        application_name: String,
        vpc_configuration: VpcConfiguration;
        current_application_version_id: u64,
        conditional_token: String,
    }
    DeleteApplicationVpcConfigurationRequest {
        application_name: String,
        vpc_configuration_id: String;
        current_application_version_id: u64,
        conditional_token: String,
    }
    /// AddApplicationVpcConfiguration and its deletion, which shows no description.
    VpcConfigurationResponse {
        ;
        #[serde(rename = "ApplicationARN")]
        application_arn: String,
        application_version_id: u64,
        vpc_configuration_description: VpcConfigurationDescription,
        operation_id: String,
    }
    AddApplicationCloudWatchLoggingOptionRequest {
        application_name: String,
        cloud_watch_logging_option: CloudWatchLoggingOption;
        current_application_version_id: u64,
        conditional_token: String,
    }
    DeleteApplicationCloudWatchLoggingOptionRequest {
        application_name: String,
        cloud_watch_logging_option_id: String;
        current_application_version_id: u64,
        conditional_token: String,
    }
    /// Adding and deleting a CloudWatch logging option.
    CloudWatchLoggingOptionResponse {
        ;
        #[serde(rename = "ApplicationARN")]
        application_arn: String,
        application_version_id: u64,
        cloud_watch_logging_option_descriptions: Vec<CloudWatchLoggingOptionDescription>,
        operation_id: String,
    }
    UpdateApplicationMaintenanceConfigurationRequest {
        application_name: String,
        application_maintenance_configuration_update: ApplicationMaintenanceConfigurationUpdate;
    }
    ApplicationMaintenanceConfigurationUpdate {
        application_maintenance_window_start_time_update: String;
    }
    ApplicationMaintenanceConfigurationDescription {
        application_maintenance_window_start_time: String,
        application_maintenance_window_end_time: String;
    }
    UpdateApplicationMaintenanceConfigurationResponse {
        ;
        #[serde(rename = "ApplicationARN")]
        application_arn: String,
        application_maintenance_configuration_description:
            ApplicationMaintenanceConfigurationDescription,
    }
    CreateApplicationPresignedUrlRequest {
        application_name: String,
        url_type: String;
        session_expiration_duration_in_seconds: u64,
    }
    CreateApplicationPresignedUrlResponse { ; authorized_url: String }
    /// What the SQL-1_0 operations name: the application, at which version. The rest is
    /// validated and not read.
    SqlApplicationRequest {
        application_name: String,
        current_application_version_id: u64;
    }
}
