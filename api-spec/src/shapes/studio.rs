//! Studio (INTERACTIVE): refused whole, and checked first as the model says.

use super::*;

static PATH: Pattern = Pattern::new("[a-zA-Z0-9/!-_.*'()]+");

structure!(ZEPPELIN_MONITORING_CONFIGURATION {
    required "LogLevel": LOG_LEVEL,
});
structure!(GLUE_DATA_CATALOG_CONFIGURATION {
    required "DatabaseARN": ANY_ARN,
});
structure!(CATALOG_CONFIGURATION {
    required "GlueDataCatalogConfiguration": GLUE_DATA_CATALOG_CONFIGURATION,
});
static MAVEN_NAME: Shape = matching(1, 256, &NAME);
static BASE_PATH: Shape = matching(1, 1024, &PATH);
structure!(S3_CONTENT_BASE_LOCATION {
    required "BucketARN": ANY_ARN,
    optional "BasePath": BASE_PATH,
});
structure!(DEPLOY_AS_APPLICATION_CONFIGURATION {
    required "S3ContentLocation": S3_CONTENT_BASE_LOCATION,
});
static ARTIFACT_TYPE: Shape = Shape::Enum(&["UDF", "DEPENDENCY_JAR"]);
structure!(MAVEN_REFERENCE {
    required "GroupId": MAVEN_NAME,
    required "ArtifactId": MAVEN_NAME,
    required "Version": MAVEN_NAME,
});
structure!(CUSTOM_ARTIFACT_CONFIGURATION {
    required "ArtifactType": ARTIFACT_TYPE,
    optional "S3ContentLocation": S3_LOCATION,
    optional "MavenReference": MAVEN_REFERENCE,
});
static CUSTOM_ARTIFACTS_CONFIGURATION_LIST: Shape =
    Shape::List { of: &CUSTOM_ARTIFACT_CONFIGURATION, min: 0, max: 50 };
structure!(pub ZEPPELIN_APPLICATION_CONFIGURATION {
    optional "MonitoringConfiguration": ZEPPELIN_MONITORING_CONFIGURATION,
    optional "CatalogConfiguration": CATALOG_CONFIGURATION,
    optional "DeployAsApplicationConfiguration": DEPLOY_AS_APPLICATION_CONFIGURATION,
    optional "CustomArtifactsConfiguration": CUSTOM_ARTIFACTS_CONFIGURATION_LIST,
});
structure!(ZEPPELIN_MONITORING_CONFIGURATION_UPDATE {
    required "LogLevelUpdate": LOG_LEVEL,
});
structure!(GLUE_DATA_CATALOG_CONFIGURATION_UPDATE {
    required "DatabaseARNUpdate": ANY_ARN,
});
structure!(CATALOG_CONFIGURATION_UPDATE {
    required "GlueDataCatalogConfigurationUpdate": GLUE_DATA_CATALOG_CONFIGURATION_UPDATE,
});
structure!(S3_CONTENT_BASE_LOCATION_UPDATE {
    optional "BucketARNUpdate": ANY_ARN,
    optional "BasePathUpdate": BASE_PATH,
});
structure!(DEPLOY_AS_APPLICATION_CONFIGURATION_UPDATE {
    optional "S3ContentLocationUpdate": S3_CONTENT_BASE_LOCATION_UPDATE,
});
structure!(pub ZEPPELIN_APPLICATION_CONFIGURATION_UPDATE {
    optional "MonitoringConfigurationUpdate": ZEPPELIN_MONITORING_CONFIGURATION_UPDATE,
    optional "CatalogConfigurationUpdate": CATALOG_CONFIGURATION_UPDATE,
    optional "DeployAsApplicationConfigurationUpdate": DEPLOY_AS_APPLICATION_CONFIGURATION_UPDATE,
    optional "CustomArtifactsConfigurationUpdate": CUSTOM_ARTIFACTS_CONFIGURATION_LIST,
});
