//! What a Flink cluster is configured with: pure, the same for processes and for pods.
//!
//! AWS fixes (developer guide, "Flink settings"): RocksDB, incremental checkpoints,
//! exactly-once, aligned, one at a time, retained; interval and pause come from the
//! application. Here all but the addresses and the places of files may be changed by the
//! property group [`SETTINGS_GROUP`].

use std::collections::BTreeMap;
use std::path::Path;

use super::distribution::Release;

/// The property group whose keys are Flink's own.
pub const SETTINGS_GROUP: &str = "millrace.flink";

/// AWS: memory of one Kinesis Processing Unit.
const KPU_MB: u64 = 4096;
const JOB_MANAGER_HEAP_MB: u64 = 1024;
const METASPACE_MB: u64 = 512;
const FRAMEWORK_MB: u64 = 128;

/// Keys that say where the cluster is and where its files are: they are not the user's.
const OWNED: [&str; 18] = [
    "blob.",
    "cluster.registration.",
    "env.",
    "execution.attached",
    "execution.checkpointing.dir",
    "execution.checkpointing.savepoint-dir",
    "execution.savepoint.path",
    "execution.state-recovery.path",
    "high-availability",
    "io.tmp.dirs",
    "jobmanager.bind-host",
    "jobmanager.rpc.",
    "process.",
    "rest.",
    "security.",
    "state.checkpoints.dir",
    "state.savepoints.dir",
    "web.",
];

/// A setting that is not the user's to make.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingRefused {
    #[error(
        "the setting {key} of property group {SETTINGS_GROUP} is the service's own: leave it out"
    )]
    Owned { key: String },
    #[error(
        "the setting {key} cannot be written into Flink's configuration: it has a line break or #"
    )]
    Unwritable { key: String },
}

/// Where the parts of a cluster listen and find each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// How the others reach the JobManager.
    pub job_manager: String,
    /// What every part binds to.
    pub bind: String,
    pub rest_port: u16,
    pub rpc_port: u16,
}

/// Where the cluster keeps files.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    pub checkpoints: &'a Path,
    pub savepoints: &'a Path,
    /// Goes with the cluster.
    pub temporary: &'a Path,
    /// What is uploaded.
    pub upload: &'a Path,
}

/// What one cluster is for.
#[derive(Clone, Debug)]
pub struct Needs<'a> {
    pub release: Release,
    pub parallelism: u32,
    /// Kinesis Processing Units: 1 vCPU and 4 GB each.
    pub kpus: u32,
    pub addresses: Addresses,
    pub places: Places<'a>,
    /// Of the application: checkpoint interval and pause.
    pub settings: &'a BTreeMap<String, String>,
    /// Of the user, by Flink's keys.
    pub own: &'a BTreeMap<String, String>,
}

/// Memory of a TaskManager, in MB. Flink's own proportions (1.10: 40 % managed, 10 %
/// network), the network bounded, as all its tasks are in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub task_heap_mb: u64,
    pub managed_mb: u64,
    pub network_mb: u64,
    pub overhead_mb: u64,
}

impl Memory {
    pub fn of(kpus: u32) -> Memory {
        let total = u64::from(kpus.max(1)) * KPU_MB;
        let overhead_mb = (total / 10).clamp(192, 1024);
        let flink = total - overhead_mb - METASPACE_MB;
        let (managed_mb, network_mb) = (flink * 4 / 10, (flink / 10).clamp(64, 256));
        let task_heap_mb = flink - managed_mb - network_mb - 2 * FRAMEWORK_MB;
        Memory { task_heap_mb, managed_mb, network_mb, overhead_mb }
    }

    /// What the JVM of the TaskManager is started with.
    pub fn task_manager_flags(self) -> Vec<String> {
        vec![
            format!("-Xmx{}m", FRAMEWORK_MB + self.task_heap_mb),
            format!("-XX:MaxDirectMemorySize={}m", FRAMEWORK_MB + self.network_mb),
            format!("-XX:MaxMetaspaceSize={METASPACE_MB}m"),
        ]
    }
}

/// What the JVM of the JobManager is started with: it plans too.
pub fn job_manager_flags() -> Vec<String> {
    vec![format!("-Xmx{JOB_MANAGER_HEAP_MB}m"), format!("-XX:MaxMetaspaceSize={METASPACE_MB}m")]
}

/// All settings of a cluster; what comes later wins: the service's defaults, the
/// application's, the user's, and where the cluster is.
///
/// # Errors
/// The user set what is not the user's.
pub fn settings(needs: &Needs<'_>) -> Result<BTreeMap<String, String>, SettingRefused> {
    if let Some(key) = needs.own.keys().find(|key| is_owned(key)) {
        return Err(SettingRefused::Owned { key: key.clone() });
    }
    let mut settings = state(needs.release);
    settings.extend(sizes(needs));
    settings.extend(needs.settings.clone());
    settings.extend(needs.own.clone());
    settings.extend(places(needs));
    settings.extend(addresses(&needs.addresses));
    Ok(settings)
}

fn is_owned(key: &str) -> bool {
    OWNED.iter().any(|owned| key.starts_with(owned))
}

fn named<const N: usize>(entries: [(&str, String); N]) -> BTreeMap<String, String> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// 1.20 renamed what was about checkpoints below `state.`; 2.0 forgot the older names.
fn is_renamed(release: Release) -> bool {
    release.line() >= (1, 20)
}

fn state(release: Release) -> BTreeMap<String, String> {
    let (incremental, unaligned, retained) = match is_renamed(release) {
        true => (
            "execution.checkpointing.incremental",
            "execution.checkpointing.unaligned.enabled",
            "execution.checkpointing.num-retained",
        ),
        false => (
            "state.backend.incremental",
            "execution.checkpointing.unaligned",
            "state.checkpoints.num-retained",
        ),
    };
    let mut settings = named([
        ("state.backend.type", "rocksdb".into()),
        (incremental, "true".into()),
        (unaligned, "false".into()),
        (retained, "1".into()),
        ("execution.checkpointing.mode", "EXACTLY_ONCE".into()),
        ("execution.checkpointing.max-concurrent-checkpoints", "1".into()),
        (
            "execution.checkpointing.externalized-checkpoint-retention",
            "RETAIN_ON_CANCELLATION".into(),
        ),
    ]);
    if release.line() < (1, 18) {
        settings.insert("state.backend".into(), "rocksdb".into());
    }
    settings
}

fn sizes(needs: &Needs<'_>) -> BTreeMap<String, String> {
    let memory = Memory::of(needs.kpus);
    let mb = |mb: u64| format!("{mb}m");
    named([
        ("parallelism.default", needs.parallelism.to_string()),
        ("taskmanager.numberOfTaskSlots", needs.parallelism.to_string()),
        ("taskmanager.cpu.cores", format!("{}.0", needs.kpus.max(1))),
        ("taskmanager.memory.framework.heap.size", mb(FRAMEWORK_MB)),
        ("taskmanager.memory.framework.off-heap.size", mb(FRAMEWORK_MB)),
        ("taskmanager.memory.task.heap.size", mb(memory.task_heap_mb)),
        ("taskmanager.memory.task.off-heap.size", mb(0)),
        ("taskmanager.memory.managed.size", mb(memory.managed_mb)),
        ("taskmanager.memory.network.min", mb(memory.network_mb)),
        ("taskmanager.memory.network.max", mb(memory.network_mb)),
        ("taskmanager.memory.jvm-metaspace.size", mb(METASPACE_MB)),
        ("taskmanager.memory.jvm-overhead.min", mb(memory.overhead_mb)),
        ("taskmanager.memory.jvm-overhead.max", mb(memory.overhead_mb)),
    ])
}

fn places(needs: &Needs<'_>) -> BTreeMap<String, String> {
    let (checkpoints, savepoints) = match is_renamed(needs.release) {
        true => ("execution.checkpointing.dir", "execution.checkpointing.savepoint-dir"),
        false => ("state.checkpoints.dir", "state.savepoints.dir"),
    };
    let places = &needs.places;
    named([
        (checkpoints, format!("file://{}", places.checkpoints.display())),
        (savepoints, format!("file://{}", places.savepoints.display())),
        ("io.tmp.dirs", places.temporary.display().to_string()),
        ("web.upload.dir", places.upload.display().to_string()),
    ])
}

/// The views are asked often while something is under way: they are never old. A TaskManager
/// that was started first tries again soon.
fn addresses(addresses: &Addresses) -> BTreeMap<String, String> {
    named([
        ("jobmanager.rpc.address", addresses.job_manager.clone()),
        ("jobmanager.rpc.port", addresses.rpc_port.to_string()),
        ("jobmanager.bind-host", addresses.bind.clone()),
        ("taskmanager.bind-host", addresses.bind.clone()),
        ("taskmanager.host", addresses.bind.clone()),
        ("rest.address", addresses.job_manager.clone()),
        ("rest.bind-address", addresses.bind.clone()),
        ("rest.port", addresses.rest_port.to_string()),
        ("rest.bind-port", addresses.rest_port.to_string()),
        ("web.refresh-interval", "100".into()),
        ("metrics.fetcher.update-interval", "500".into()),
        ("cluster.registration.error-delay", "200".into()),
        ("cluster.registration.refused-registration-delay", "500".into()),
    ])
}

/// The name and the text of the configuration file: 1.19 took a YAML of its own, 2.0 dropped
/// the other.
///
/// # Errors
/// A value cannot be written so that the older one reads it back.
pub fn file(
    release: Release,
    settings: &BTreeMap<String, String>,
) -> Result<(&'static str, String), SettingRefused> {
    if release.line() >= (1, 19) {
        let quoted = |text: &String| serde_json::Value::from(text.as_str()).to_string();
        let line = |(key, value)| format!("{}: {}\n", quoted(key), quoted(value));
        return Ok(("config.yaml", settings.iter().map(line).collect()));
    }
    let line = |(key, value): (&String, &String)| match value.contains(['\n', '\r', '#']) {
        true => Err(SettingRefused::Unwritable { key: key.clone() }),
        false => Ok(format!("{key}: {value}\n")),
    };
    Ok(("flink-conf.yaml", settings.iter().map(line).collect::<Result<_, _>>()?))
}

/// Everything that is logged goes to the process's own output, where the launcher keeps it.
pub fn logging(level: &str) -> String {
    let level = match level {
        "DEBUG" | "WARN" | "ERROR" => level,
        _ => "INFO",
    };
    format!(
        "monitorInterval = 0
rootLogger.level = {level}
rootLogger.appenderRef.console.ref = Console
logger.pekko.name = org.apache.pekko
logger.pekko.level = WARN
logger.akka.name = akka
logger.akka.level = WARN
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{{yyyy-MM-dd HH:mm:ss,SSS}} %-5p ${{sys:millrace.role}} %c{{1}} - %m%n
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        Release::parse(text).expect(text)
    }

    fn made(
        version: &str,
        own: &[(&str, &str)],
    ) -> Result<BTreeMap<String, String>, SettingRefused> {
        let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let own = own.iter().map(text).collect();
        let interval = BTreeMap::from([(
            "execution.checkpointing.interval".to_owned(),
            "60000 ms".to_owned(),
        )]);
        settings(&Needs {
            release: release(version),
            parallelism: 2,
            kpus: 1,
            addresses: Addresses {
                job_manager: "127.0.0.1".into(),
                bind: "127.0.0.1".into(),
                rest_port: 20001,
                rpc_port: 20002,
            },
            places: Places {
                checkpoints: Path::new("/s/c"),
                savepoints: Path::new("/s/s"),
                temporary: Path::new("/t"),
                upload: Path::new("/u"),
            },
            settings: &interval,
            own: &own,
        })
    }

    #[test]
    fn keys_have_the_names_of_their_release() {
        let check = |version: &str, has: &[&str], lacks: &[&str]| {
            let settings = made(version, &[]).expect("nothing is refused");
            for key in has {
                assert!(settings.contains_key(*key), "{version}: {key}");
            }
            for key in lacks {
                assert!(!settings.contains_key(*key), "{version}: {key}");
            }
        };
        let old = ["state.checkpoints.dir", "state.backend.incremental"];
        let new = ["execution.checkpointing.dir", "execution.checkpointing.incremental"];
        check("1.17.2", &["state.backend", old[0], old[1]], &new);
        check("1.18.1", &old, &["state.backend", new[0], new[1]]);
        check("1.20.3", &new, &old);
        check("2.3.0", &new, &old);
    }

    #[test]
    fn the_user_changes_what_is_the_users() {
        let settings = made(
            "1.18.1",
            &[("state.backend.type", "hashmap"), ("execution.checkpointing.interval", "5 s")],
        );
        let settings = settings.expect("both are the user's");
        assert_eq!(settings["state.backend.type"], "hashmap");
        assert_eq!(settings["execution.checkpointing.interval"], "5 s");
        for key in ["rest.port", "state.checkpoints.dir", "high-availability.type", "env.java.home"]
        {
            let refused = made("1.18.1", &[(key, "x")]).unwrap_err();
            assert_eq!(refused, SettingRefused::Owned { key: key.to_owned() });
        }
    }

    #[test]
    fn the_file_is_what_the_release_reads() {
        let settings = BTreeMap::from([("a.b".to_owned(), "1 \"s\"".to_owned())]);
        assert_eq!(
            file(release("1.18.1"), &settings),
            Ok(("flink-conf.yaml", "a.b: 1 \"s\"\n".to_owned()))
        );
        assert_eq!(
            file(release("1.20.3"), &settings),
            Ok(("config.yaml", "\"a.b\": \"1 \\\"s\\\"\"\n".to_owned()))
        );
        let comment = BTreeMap::from([("a".to_owned(), "x # y".to_owned())]);
        assert!(file(release("1.18.1"), &comment).is_err());
        assert!(file(release("2.0.0"), &comment).is_ok());
    }

    #[test]
    fn the_parts_of_the_memory_are_the_memory_of_the_kpus() {
        for kpus in [0, 1, 2, 8, 64] {
            let memory = Memory::of(kpus);
            let sum = memory.task_heap_mb
                + memory.managed_mb
                + memory.network_mb
                + memory.overhead_mb
                + 2 * FRAMEWORK_MB
                + METASPACE_MB;
            assert_eq!(sum, u64::from(kpus.max(1)) * KPU_MB, "{kpus}");
            assert!(memory.task_heap_mb >= 1024, "{kpus}");
        }
    }
}
