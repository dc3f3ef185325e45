//! How the parts of a cluster are started: pure, whoever starts them.

use std::path::Path;

use super::configuration::{Memory, job_manager_flags};
use super::distribution::Distribution;

/// The property that every JVM of a run is started with, to be found again by it.
pub const MARKER: &str = "millrace.run";
/// Where a program finds what AWS puts into `/etc/flink/application_properties.json`: this
/// environment variable, and this system property.
pub const PROPERTIES_VARIABLE: &str = "MILLRACE_APPLICATION_PROPERTIES";
pub const PROPERTIES_PROPERTY: &str = "millrace.application.properties";

/// How long a JVM is to live: what lives for a moment is not worth the better compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Job,
    Check,
}

/// One process of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    JobManager,
    TaskManager,
}

impl Role {
    /// In the names of files and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Role::JobManager => "jobmanager",
            Role::TaskManager => "taskmanager",
        }
    }

    fn main(self) -> &'static str {
        match self {
            Role::JobManager => {
                "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
            }
            Role::TaskManager => "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
        }
    }
}

/// What a JVM is started with, and with which environment besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JvmCommand {
    pub arguments: Vec<String>,
    pub environment: Vec<(&'static str, String)>,
}

/// Packages of Java's own that Flink and what it serializes reach into (Flink 1.19:
/// `env.java.opts.all`).
const OPENED: [&str; 12] = [
    "java.lang",
    "java.net",
    "java.io",
    "java.nio",
    "sun.nio.ch",
    "java.lang.reflect",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
];
const EXPORTED: [&str; 8] = [
    "java.base/sun.net.util",
    "java.rmi/sun.rmi.registry",
    "jdk.compiler/com.sun.tools.javac.api",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.compiler/com.sun.tools.javac.parser",
    "jdk.compiler/com.sun.tools.javac.tree",
    "jdk.compiler/com.sun.tools.javac.util",
    "java.security.jgss/sun.security.krb5",
];

/// The command of one part. `run` is the directory that names the run; the configuration is
/// in its `conf`, the properties in `application_properties.json`.
pub fn command(
    (role, life): (Role, Life),
    distribution: &Distribution,
    kpus: u32,
    run: &Path,
) -> JvmCommand {
    let configuration = run.join("conf");
    let properties = run.join("application_properties.json").display().to_string();
    let mut arguments = match role {
        Role::JobManager => job_manager_flags(),
        Role::TaskManager => Memory::of(kpus).task_manager_flags(),
    };
    if life == Life::Check {
        arguments.push("-XX:TieredStopAtLevel=1".to_owned());
    }
    // Of modules that this Java has not, it warns and goes on.
    arguments.extend(OPENED.map(|name| format!("--add-opens=java.base/{name}=ALL-UNNAMED")));
    arguments.extend(EXPORTED.map(|name| format!("--add-exports={name}=ALL-UNNAMED")));
    let defined = [
        (MARKER, run.join(role.name()).display().to_string()),
        ("millrace.role", role.name().to_owned()),
        (PROPERTIES_PROPERTY, properties.clone()),
        (
            "log4j.configurationFile",
            format!("file:{}", configuration.join("log4j.properties").display()),
        ),
        ("java.io.tmpdir", run.join("tmp").display().to_string()),
    ];
    arguments.extend(defined.map(|(key, value)| format!("-D{key}={value}")));
    arguments.extend(["-cp".to_owned(), distribution.class_path(), role.main().to_owned()]);
    arguments.extend(["--configDir".to_owned(), configuration.display().to_string()]);
    if role == Role::JobManager {
        arguments.extend(["--executionMode", "cluster"].map(str::to_owned));
    }
    let home = |folder: &str| distribution.home.join(folder).display().to_string();
    let environment = vec![
        ("FLINK_CONF_DIR", configuration.display().to_string()),
        ("FLINK_HOME", distribution.home.display().to_string()),
        ("FLINK_LIB_DIR", home("lib")),
        ("FLINK_OPT_DIR", home("opt")),
        ("FLINK_PLUGINS_DIR", home("plugins")),
        (PROPERTIES_VARIABLE, properties),
    ];
    JvmCommand { arguments, environment }
}
