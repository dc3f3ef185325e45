//! SQL-1_0: inputs, outputs, reference data. The discontinued service; requests are still
//! checked as they were.

use super::*;

static IN_APP_NAME: Pattern = Pattern::new(r"[^-\s<>&]*");
/// The model writes it with look-ahead: `^(?=^\$)(?=^\S+$).*$`.
static ROW_PATH: Pattern = Pattern::new(r"\$\S*");
static UTF_8: Pattern = Pattern::new("UTF-8");

static IN_APP_STREAM_NAME: Shape = matching(1, 32, &IN_APP_NAME);
structure!(INPUT_LAMBDA_PROCESSOR {
    required "ResourceARN": ANY_ARN,
});
structure!(INPUT_PROCESSING_CONFIGURATION {
    required "InputLambdaProcessor": INPUT_LAMBDA_PROCESSOR,
});
structure!(KINESIS_STREAMS_INPUT {
    required "ResourceARN": ANY_ARN,
});
structure!(KINESIS_FIREHOSE_INPUT {
    required "ResourceARN": ANY_ARN,
});
static INPUT_PARALLELISM_COUNT: Shape = Shape::Integer { min: 1, max: 64 };
structure!(INPUT_PARALLELISM {
    optional "Count": INPUT_PARALLELISM_COUNT,
});
static RECORD_FORMAT_TYPE: Shape = Shape::Enum(&["JSON", "CSV"]);
static RECORD_ROW_PATH: Shape = matching(1, 65_535, &ROW_PATH);
structure!(JSON_MAPPING_PARAMETERS {
    required "RecordRowPath": RECORD_ROW_PATH,
});
static RECORD_ROW_DELIMITER: Shape = text(1, 1024);
static RECORD_COLUMN_DELIMITER: Shape = text(1, 1024);
structure!(CSV_MAPPING_PARAMETERS {
    required "RecordRowDelimiter": RECORD_ROW_DELIMITER,
    required "RecordColumnDelimiter": RECORD_COLUMN_DELIMITER,
});
structure!(MAPPING_PARAMETERS {
    optional "JSONMappingParameters": JSON_MAPPING_PARAMETERS,
    optional "CSVMappingParameters": CSV_MAPPING_PARAMETERS,
});
structure!(RECORD_FORMAT {
    required "RecordFormatType": RECORD_FORMAT_TYPE,
    optional "MappingParameters": MAPPING_PARAMETERS,
});
static RECORD_ENCODING: Shape = matching(5, 5, &UTF_8);
static RECORD_COLUMN_NAME: Shape = matching(1, 256, &IN_APP_NAME);
static RECORD_COLUMN_MAPPING: Shape = text(0, 65_535);
static RECORD_COLUMN_SQL_TYPE: Shape = text(1, 100);
structure!(RECORD_COLUMN {
    required "Name": RECORD_COLUMN_NAME,
    optional "Mapping": RECORD_COLUMN_MAPPING,
    required "SqlType": RECORD_COLUMN_SQL_TYPE,
});
static RECORD_COLUMNS: Shape = Shape::List { of: &RECORD_COLUMN, min: 1, max: 1000 };
structure!(SOURCE_SCHEMA {
    required "RecordFormat": RECORD_FORMAT,
    optional "RecordEncoding": RECORD_ENCODING,
    required "RecordColumns": RECORD_COLUMNS,
});
structure!(INPUT {
    required "NamePrefix": IN_APP_STREAM_NAME,
    optional "InputProcessingConfiguration": INPUT_PROCESSING_CONFIGURATION,
    optional "KinesisStreamsInput": KINESIS_STREAMS_INPUT,
    optional "KinesisFirehoseInput": KINESIS_FIREHOSE_INPUT,
    optional "InputParallelism": INPUT_PARALLELISM,
    required "InputSchema": SOURCE_SCHEMA,
});
static INPUTS: Shape = Shape::List { of: &INPUT, min: 0, max: 100 };
structure!(KINESIS_STREAMS_OUTPUT {
    required "ResourceARN": ANY_ARN,
});
structure!(KINESIS_FIREHOSE_OUTPUT {
    required "ResourceARN": ANY_ARN,
});
structure!(LAMBDA_OUTPUT {
    required "ResourceARN": ANY_ARN,
});
structure!(DESTINATION_SCHEMA {
    required "RecordFormatType": RECORD_FORMAT_TYPE,
});
structure!(OUTPUT {
    required "Name": IN_APP_STREAM_NAME,
    optional "KinesisStreamsOutput": KINESIS_STREAMS_OUTPUT,
    optional "KinesisFirehoseOutput": KINESIS_FIREHOSE_OUTPUT,
    optional "LambdaOutput": LAMBDA_OUTPUT,
    required "DestinationSchema": DESTINATION_SCHEMA,
});
static OUTPUTS: Shape = Shape::List { of: &OUTPUT, min: 0, max: 100 };
static IN_APP_TABLE_NAME: Shape = text(1, 32);
structure!(S3_REFERENCE_DATA_SOURCE {
    optional "BucketARN": ANY_ARN,
    optional "FileKey": FILE_KEY,
});
structure!(REFERENCE_DATA_SOURCE {
    required "TableName": IN_APP_TABLE_NAME,
    optional "S3ReferenceDataSource": S3_REFERENCE_DATA_SOURCE,
    required "ReferenceSchema": SOURCE_SCHEMA,
});
static REFERENCE_DATA_SOURCES: Shape = Shape::List { of: &REFERENCE_DATA_SOURCE, min: 0, max: 100 };
structure!(pub SQL_APPLICATION_CONFIGURATION {
    optional "Inputs": INPUTS,
    optional "Outputs": OUTPUTS,
    optional "ReferenceDataSources": REFERENCE_DATA_SOURCES,
});
structure!(INPUT_LAMBDA_PROCESSOR_UPDATE {
    required "ResourceARNUpdate": ANY_ARN,
});
structure!(INPUT_PROCESSING_CONFIGURATION_UPDATE {
    required "InputLambdaProcessorUpdate": INPUT_LAMBDA_PROCESSOR_UPDATE,
});
structure!(KINESIS_STREAMS_INPUT_UPDATE {
    required "ResourceARNUpdate": ANY_ARN,
});
structure!(KINESIS_FIREHOSE_INPUT_UPDATE {
    required "ResourceARNUpdate": ANY_ARN,
});
structure!(INPUT_SCHEMA_UPDATE {
    optional "RecordFormatUpdate": RECORD_FORMAT,
    optional "RecordEncodingUpdate": RECORD_ENCODING,
    optional "RecordColumnUpdates": RECORD_COLUMNS,
});
structure!(INPUT_PARALLELISM_UPDATE {
    required "CountUpdate": INPUT_PARALLELISM_COUNT,
});
structure!(INPUT_UPDATE {
    required "InputId": ID,
    optional "NamePrefixUpdate": IN_APP_STREAM_NAME,
    optional "InputProcessingConfigurationUpdate": INPUT_PROCESSING_CONFIGURATION_UPDATE,
    optional "KinesisStreamsInputUpdate": KINESIS_STREAMS_INPUT_UPDATE,
    optional "KinesisFirehoseInputUpdate": KINESIS_FIREHOSE_INPUT_UPDATE,
    optional "InputSchemaUpdate": INPUT_SCHEMA_UPDATE,
    optional "InputParallelismUpdate": INPUT_PARALLELISM_UPDATE,
});
static INPUT_UPDATES: Shape = Shape::List { of: &INPUT_UPDATE, min: 0, max: 100 };
structure!(KINESIS_STREAMS_OUTPUT_UPDATE {
    required "ResourceARNUpdate": ANY_ARN,
});
structure!(KINESIS_FIREHOSE_OUTPUT_UPDATE {
    required "ResourceARNUpdate": ANY_ARN,
});
structure!(LAMBDA_OUTPUT_UPDATE {
    required "ResourceARNUpdate": ANY_ARN,
});
structure!(OUTPUT_UPDATE {
    required "OutputId": ID,
    optional "NameUpdate": IN_APP_STREAM_NAME,
    optional "KinesisStreamsOutputUpdate": KINESIS_STREAMS_OUTPUT_UPDATE,
    optional "KinesisFirehoseOutputUpdate": KINESIS_FIREHOSE_OUTPUT_UPDATE,
    optional "LambdaOutputUpdate": LAMBDA_OUTPUT_UPDATE,
    optional "DestinationSchemaUpdate": DESTINATION_SCHEMA,
});
static OUTPUT_UPDATES: Shape = Shape::List { of: &OUTPUT_UPDATE, min: 0, max: 100 };
structure!(S3_REFERENCE_DATA_SOURCE_UPDATE {
    optional "BucketARNUpdate": ANY_ARN,
    optional "FileKeyUpdate": FILE_KEY,
});
structure!(REFERENCE_DATA_SOURCE_UPDATE {
    required "ReferenceId": ID,
    optional "TableNameUpdate": IN_APP_TABLE_NAME,
    optional "S3ReferenceDataSourceUpdate": S3_REFERENCE_DATA_SOURCE_UPDATE,
    optional "ReferenceSchemaUpdate": SOURCE_SCHEMA,
});
static REFERENCE_DATA_SOURCE_UPDATES: Shape =
    Shape::List { of: &REFERENCE_DATA_SOURCE_UPDATE, min: 0, max: 100 };
structure!(pub SQL_APPLICATION_CONFIGURATION_UPDATE {
    optional "InputUpdates": INPUT_UPDATES,
    optional "OutputUpdates": OUTPUT_UPDATES,
    optional "ReferenceDataSourceUpdates": REFERENCE_DATA_SOURCE_UPDATES,
});
static INPUT_STARTING_POSITION: Shape = Shape::Enum(&["NOW", "TRIM_HORIZON", "LAST_STOPPED_POINT"]);
structure!(INPUT_STARTING_POSITION_CONFIGURATION {
    optional "InputStartingPosition": INPUT_STARTING_POSITION,
});
structure!(SQL_RUN_CONFIGURATION {
    required "InputId": ID,
    required "InputStartingPositionConfiguration": INPUT_STARTING_POSITION_CONFIGURATION,
});
pub static SQL_RUN_CONFIGURATIONS: Shape =
    Shape::List { of: &SQL_RUN_CONFIGURATION, min: 0, max: 100 };
structure!(pub ADD_APPLICATION_INPUT {
    required "ApplicationName": APPLICATION_NAME,
    required "CurrentApplicationVersionId": VERSION_ID,
    required "Input": INPUT,
});
structure!(pub ADD_APPLICATION_INPUT_PROCESSING_CONFIGURATION {
    required "ApplicationName": APPLICATION_NAME,
    required "CurrentApplicationVersionId": VERSION_ID,
    required "InputId": ID,
    required "InputProcessingConfiguration": INPUT_PROCESSING_CONFIGURATION,
});
structure!(pub ADD_APPLICATION_OUTPUT {
    required "ApplicationName": APPLICATION_NAME,
    required "CurrentApplicationVersionId": VERSION_ID,
    required "Output": OUTPUT,
});
structure!(pub ADD_APPLICATION_REFERENCE_DATA_SOURCE {
    required "ApplicationName": APPLICATION_NAME,
    required "CurrentApplicationVersionId": VERSION_ID,
    required "ReferenceDataSource": REFERENCE_DATA_SOURCE,
});
structure!(pub DELETE_APPLICATION_INPUT_PROCESSING_CONFIGURATION {
    required "ApplicationName": APPLICATION_NAME,
    required "CurrentApplicationVersionId": VERSION_ID,
    required "InputId": ID,
});
structure!(pub DELETE_APPLICATION_OUTPUT {
    required "ApplicationName": APPLICATION_NAME,
    required "CurrentApplicationVersionId": VERSION_ID,
    required "OutputId": ID,
});
structure!(pub DELETE_APPLICATION_REFERENCE_DATA_SOURCE {
    required "ApplicationName": APPLICATION_NAME,
    required "CurrentApplicationVersionId": VERSION_ID,
    required "ReferenceId": ID,
});
structure!(S3_CONFIGURATION {
    required "BucketARN": ANY_ARN,
    required "FileKey": FILE_KEY,
});
structure!(pub DISCOVER_INPUT_SCHEMA {
    optional "ResourceARN": ANY_ARN,
    required "ServiceExecutionRole": ANY_ARN,
    optional "InputStartingPositionConfiguration": INPUT_STARTING_POSITION_CONFIGURATION,
    optional "S3Configuration": S3_CONFIGURATION,
    optional "InputProcessingConfiguration": INPUT_PROCESSING_CONFIGURATION,
});
