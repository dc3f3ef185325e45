//! Asking the two engines. Neither may keep the other waiting for ever.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::data;
use super::script::Case;
use crate::process::{Outcome, cache, root, run};

pub const OPENED: [&str; 9] =
    ["lang", "util", "net", "time", "nio", "text", "io", "util.concurrent", "lang.invoke"];
/// Of one script on one engine; the oracle keeps the same.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Virtual machines that share the scripts.
const MACHINES: usize = 2;

/// Where things are for one run of the suite.
pub struct Place<'a> {
    pub program: &'a Path,
    pub libraries: &'a Path,
    pub work: &'a Path,
    /// What tells this run's data from another's.
    pub data: &'a str,
}

impl Place<'_> {
    /// Both texts of a case, with the places of the data and of the output written in.
    pub fn write(&self, case: &Case) -> Outcome {
        for engine in ["ours", "flink"] {
            let script = self.script(case, engine);
            fs::write(&script, self.text(case, engine))
                .map_err(|cause| format!("cannot write {}: {cause}", script.display()))?;
        }
        Ok(())
    }

    fn script(&self, case: &Case, engine: &str) -> PathBuf {
        self.work.join(format!("{}.{engine}.sql", case.name))
    }

    fn output(&self, case: &Case, engine: &str) -> PathBuf {
        self.work.join("out").join(&case.name).join(engine)
    }

    /// Parallel readers see the events in any order: nothing may be late there.
    fn text(&self, case: &Case, engine: &str) -> String {
        let (events, bound) =
            if case.parallelism == 1 { ("events", "'4' SECOND") } else { ("parts", "'1' DAY") };
        let text = if engine == "flink" { case.text_for_flink() } else { case.text.clone() };
        text.replace("$EVENTS", &self.work.join(events).to_string_lossy())
            .replace("$BOUND", bound)
            .replace("$OUT", &self.output(case, engine).to_string_lossy())
            .replace("$DATA", &self.work.to_string_lossy())
    }

    /// Flink's changelog or complaint: kept from an earlier run, for it never changes.
    pub fn theirs(&self, case: &Case) -> Result<String, String> {
        fs::read_to_string(self.kept(case, "rows")).map_err(|_| {
            let complaint = fs::read_to_string(self.kept(case, "error"));
            complaint.unwrap_or_else(|_| "no answer".to_owned())
        })
    }

    /// Kept under all that the answer depends on.
    fn kept(&self, case: &Case, kind: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        (case.text_for_flink(), case.parallelism, self.data, ORACLE).hash(&mut hasher);
        let key = format!("{}-{:016x}.{kind}", case.name, hasher.finish());
        cache().join("differential-answers").join(key)
    }

    /// Asks Flink what it was never asked.
    ///
    /// # Errors
    /// There is no Java, or the oracle does not compile.
    pub fn ask_flink(&self, cases: &[Case]) -> Outcome {
        let kept =
            |case: &&Case| ["rows", "error"].iter().any(|kind| self.kept(case, kind).exists());
        let asked: Vec<&Case> = cases.iter().filter(|case| !kept(case)).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let path = format!("{}/*:{}", self.libraries.display(), self.work.display());
        let mut compiler = Command::new("javac");
        compiler.args(["-cp", &path, "-d"]).arg(self.work);
        run(
            "javac Oracle.java",
            compiler.arg(root().join("tests/differential/oracle/Oracle.java")),
        )?;
        eprintln!("==> Flink, {} scripts", asked.len());
        thread::scope(|scope| {
            for own in asked.chunks(asked.len().div_ceil(MACHINES)) {
                scope.spawn(|| self.run_oracle(&path, own));
            }
        });
        asked.into_iter().try_for_each(|case| self.keep(case))
    }

    fn run_oracle(&self, path: &str, cases: &[&Case]) {
        let mut java = Command::new("java");
        java.args(["-Xmx1500m", "-cp", path]);
        java.args(OPENED.map(|name| format!("--add-opens=java.base/java.{name}=ALL-UNNAMED")));
        java.arg("Oracle").arg(PATIENCE.as_secs().to_string());
        for case in cases {
            java.arg(case.parallelism.to_string()).arg(self.script(case, "flink"));
        }
        // Each script's end is told by its files alone.
        if let Err(cause) = java.stdin(Stdio::null()).status() {
            eprintln!("java: {cause}");
        }
    }

    fn keep(&self, case: &Case) -> Outcome {
        let script = self.script(case, "flink");
        let say = |cause: std::io::Error| format!("cannot keep an answer: {cause}");
        fs::create_dir_all(cache().join("differential-answers")).map_err(say)?;
        let rows = script.with_extension("sql.rows");
        if rows.exists() && case.text.contains("$OUT") {
            return fs::write(self.kept(case, "rows"), self.written(case, "flink")?).map_err(say);
        }
        for kind in ["rows", "error"] {
            let answer = script.with_extension(format!("sql.{kind}"));
            // One that took too long is asked again the next time.
            let complete = fs::read_to_string(answer).ok().filter(|text| text != "timeout");
            if let Some(text) = complete {
                return fs::write(self.kept(case, kind), text).map_err(say);
            }
        }
        Ok(())
    }

    /// This engine's changelog or complaint.
    ///
    /// # Errors
    /// The complaint.
    pub fn ours(&self, case: &Case) -> Result<String, String> {
        let script = self.script(case, "ours");
        let (out, err) = (script.with_extension("out"), script.with_extension("err"));
        let say = |cause: std::io::Error| format!("cannot run: {cause}");
        let mut command = Command::new(self.program);
        command.args(["sql", "run", "--runtime", "FLINK-1_18", "--output", "json"]);
        command.args(["--parallelism", &case.parallelism.to_string()]);
        command.args(["--set", "table.local-time-zone=UTC"]);
        command.args(["--set", "pipeline.auto-watermark-interval=0"]).arg(&script);
        command.stdin(Stdio::null());
        command.stdout(File::create(&out).map_err(say)?);
        command.stderr(File::create(&err).map_err(say)?);
        if !ends_well(&mut command)? {
            return Err(fs::read_to_string(err).unwrap_or_default().trim().to_owned());
        }
        if case.text.contains("$OUT") {
            return self.written(case, "ours");
        }
        fs::read_to_string(out).map_err(say)
    }

    /// Only planned.
    ///
    /// # Errors
    /// The complaint.
    pub fn plan(&self, case: &Case) -> Result<(), String> {
        let mut command = Command::new(self.program);
        command.args(["sql", "check", "--runtime", "FLINK-1_18"]).arg(self.script(case, "ours"));
        let output = command.output().map_err(|cause| format!("cannot run: {cause}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// The lines of all files a case wrote, with their partitions, as inserts.
    fn written(&self, case: &Case, engine: &str) -> Result<String, String> {
        let folder = self.output(case, engine);
        let mut changelog = String::new();
        for file in data::files(&folder)? {
            let text = fs::read_to_string(&file).map_err(|cause| cause.to_string())?;
            let partition = file.parent().and_then(|parent| parent.strip_prefix(&folder).ok());
            let partition = partition.unwrap_or(Path::new("")).display();
            for line in text.lines() {
                changelog += &format!("{{\"op\":\"+I\",\"row\":{partition} {line}\n");
            }
        }
        Ok(changelog)
    }
}

const ORACLE: &str = include_str!("../../../differential/oracle/Oracle.java");

/// Whether it ended in time and well.
fn ends_well(command: &mut Command) -> Result<bool, String> {
    let mut child = command.spawn().map_err(|cause| format!("cannot run: {cause}"))?;
    let mut waited = Duration::ZERO;
    while waited < PATIENCE {
        if let Some(status) = child.try_wait().map_err(|cause| cause.to_string())? {
            return Ok(status.success());
        }
        thread::sleep(LOOK_EVERY);
        waited += LOOK_EVERY;
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(format!("no end within {} s", PATIENCE.as_secs()))
}
