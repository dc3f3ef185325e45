//! Connectors as data, and a few ways to plan.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;

use millrace_dataflow::catalog::{
    ChangelogMode, ConnectorCatalog, ConnectorDescriptor, MetadataKey, OptionError, TableUsage,
};
use millrace_dataflow::graph::{LookupCache, Reload};
use millrace_dataflow::table::TableSpec;
use millrace_dataflow::{RuntimeLevel, TypeRoot};
use millrace_plan::{Diagnostic, PlanOptions, PlannedScript, plan_script};

pub struct Connectors {
    descriptors: Vec<ConnectorDescriptor>,
}

impl Connectors {
    pub fn new() -> Connectors {
        let descriptor = |name, source, sink, metadata| ConnectorDescriptor {
            name,
            source,
            sink,
            since: RuntimeLevel::Flink1_15,
            metadata,
        };
        let file_keys = vec![
            MetadataKey { key: "file.name", data_type: TypeRoot::string().not_null() },
            MetadataKey { key: "file.size", data_type: TypeRoot::BigInt.not_null() },
        ];
        Connectors {
            descriptors: vec![
                descriptor("blackhole", false, true, vec![]),
                descriptor("datagen", true, false, vec![]),
                descriptor("filesystem", true, true, file_keys),
                descriptor("nexmark", true, false, vec![]),
                descriptor("print", false, true, vec![]),
                descriptor("upserts", true, false, vec![]),
                descriptor("changes", true, false, vec![]),
            ],
        }
    }
}

impl ConnectorCatalog for Connectors {
    fn connector(&self, name: &str) -> Option<&ConnectorDescriptor> {
        self.descriptors.iter().find(|descriptor| descriptor.name == name)
    }

    fn names(&self) -> Vec<&str> {
        self.descriptors.iter().map(|descriptor| descriptor.name).collect()
    }

    fn check_options(
        &self,
        table: &TableSpec,
        _usage: TableUsage,
        _level: RuntimeLevel,
    ) -> Result<(), OptionError> {
        match table.options.keys().find(|key| key.starts_with("bad")) {
            None => Ok(()),
            Some(key) => Err(OptionError {
                key: Some(key.clone()),
                message: format!("Unsupported option '{key}'"),
            }),
        }
    }

    fn lookup(&self, table: &TableSpec) -> Result<LookupCache, OptionError> {
        match table.options.get("connector").map(String::as_str) {
            Some("filesystem") => Ok(LookupCache::Full(Reload::Never)),
            _ => Err(OptionError {
                key: Some("connector".to_owned()),
                message: format!("no lookups in '{}'", table.name),
            }),
        }
    }

    fn changelog_mode(&self, table: &TableSpec, _usage: TableUsage) -> ChangelogMode {
        match table.options.get("connector").map(String::as_str) {
            Some("print" | "changes") => ChangelogMode::ALL,
            Some("upserts" | "blackhole") => ChangelogMode::UPSERT,
            _ => ChangelogMode::INSERT_ONLY,
        }
    }
}

pub const TABLES: &str = "
CREATE TABLE flights (
  origin STRING, dest STRING, carrier STRING, delay INT, distance BIGINT,
  ts TIMESTAMP(3), file STRING NOT NULL METADATA FROM 'file.name' VIRTUAL,
  pt AS PROCTIME(), late AS delay > 15,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '/flights', 'format' = 'csv');
CREATE TABLE weather (
  station STRING, wind DOUBLE, wts TIMESTAMP(3),
  WATERMARK FOR wts AS wts
) WITH ('connector' = 'filesystem', 'path' = '/weather', 'format' = 'csv');
";

pub const NEXMARK: &str = "
CREATE TABLE datagen (
  event_type int,
  person ROW<id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR,
             state VARCHAR, dateTime TIMESTAMP(3), extra VARCHAR>,
  auction ROW<id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT,
              dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT,
              extra VARCHAR>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR,
          dateTime TIMESTAMP(3), extra VARCHAR>,
  dateTime AS
    CASE
      WHEN event_type = 0 THEN person.dateTime
      WHEN event_type = 1 THEN auction.dateTime
      ELSE bid.dateTime
    END,
  WATERMARK FOR dateTime AS dateTime - INTERVAL '4' SECOND
) WITH (
  'connector' = 'nexmark',
  'events.num' = '1000',
  'first-event.rate' = '1000'
);
CREATE VIEW person AS SELECT person.id, person.name, person.emailAddress, person.creditCard,
  person.city, person.state, dateTime, person.extra FROM datagen WHERE event_type = 0;
CREATE VIEW auction AS SELECT auction.id, auction.itemName, auction.description,
  auction.initialBid, auction.reserve, dateTime, auction.expires, auction.seller,
  auction.category, auction.extra FROM datagen WHERE event_type = 1;
CREATE VIEW bid AS SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, dateTime,
  bid.extra FROM datagen WHERE event_type = 2;
";

pub fn options(level: RuntimeLevel) -> PlanOptions {
    PlanOptions { level, settings: BTreeMap::new() }
}

pub fn plan_under(level: RuntimeLevel, script: &str) -> Result<PlannedScript, Vec<Diagnostic>> {
    plan_script(script, &options(level), &Connectors::new())
}

/// Plans what must plan, over [`TABLES`].
pub fn plan(script: &str) -> PlannedScript {
    let script = format!("{TABLES}{script}");
    match plan_under(RuntimeLevel::Flink1_18, &script) {
        Ok(planned) => planned,
        Err(diagnostics) => panic!("{}", shown(&diagnostics)),
    }
}

pub fn shown(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|d| format!("{d}\n")).collect()
}
