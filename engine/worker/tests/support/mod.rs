//! The engine as a process, over its command line and its REST surface alone.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_millrace-engine");

/// One application's directory.
pub struct Place {
    pub directory: tempfile::TempDir,
}

pub struct Engine {
    child: Child,
    pub address: String,
}

/// What of a job description a test chooses.
#[derive(Clone)]
pub struct Start {
    pub generation: u64,
    pub runtime: &'static str,
    pub restore: Value,
    pub parallelism: u16,
    pub memory_bytes: Option<u64>,
    pub standby: bool,
    pub hold_commits: bool,
}

impl Start {
    pub fn latest(generation: u64, runtime: &'static str) -> Start {
        Start {
            generation,
            runtime,
            restore: json!({ "kind": "latest" }),
            parallelism: 2,
            memory_bytes: None,
            standby: false,
            hold_commits: false,
        }
    }
}

impl Place {
    pub fn new(script: &str) -> Place {
        let place = Place { directory: tempfile::tempdir().unwrap() };
        for name in ["in", "out"] {
            std::fs::create_dir(place.path(name)).unwrap();
        }
        place.script(script);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `DIR` in the text is the place's directory.
    pub fn script(&self, text: &str) {
        let text = text.replace("DIR", self.directory.path().to_str().unwrap());
        std::fs::write(self.path("main.sql"), text).unwrap();
    }

    /// Puts a whole file there at once.
    pub fn input(&self, name: &str, text: &str) {
        let beside = self.path("next");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.path("in").join(name)).unwrap();
    }

    fn job_file(&self, start: &Start) -> PathBuf {
        let file = self.path(&format!("job-{}.json", start.generation));
        let description = json!({
            "application": "app", "name": "test", "generation": start.generation,
            "runtime": start.runtime, "script": self.path("main.sql"), "state": self.path("state"),
            "restore": start.restore, "allow_non_restored_state": false,
            "parallelism": start.parallelism, "memory_bytes": start.memory_bytes,
            "settings": { "execution.checkpointing.interval": "20 ms" },
            "properties": [], "hold_commits": start.hold_commits, "standby": start.standby,
            "rest_address": "127.0.0.1:0", "endpoint_file": self.endpoint(start), "log_level": "INFO",
        });
        std::fs::write(&file, description.to_string()).unwrap();
        file
    }

    fn endpoint(&self, start: &Start) -> PathBuf {
        self.path(&format!("endpoint-{}.json", start.generation))
    }

    pub fn check(&self, start: &Start) -> Value {
        let output = run("check", &self.job_file(start));
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.success(), verdict["ok"] == true);
        verdict
    }

    /// Runs an engine that is expected to end by itself.
    pub fn run_to_end(&self, start: &Start) -> Output {
        run("run", &self.job_file(start))
    }

    pub fn start(&self, start: &Start) -> Engine {
        let job = self.job_file(start);
        let log = std::fs::File::create(self.path(&format!("engine-{}.log", start.generation)));
        let child = Command::new(PROGRAM)
            .args(["run", "--job"])
            .arg(job)
            .stdout(Stdio::null())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        let endpoint = self.endpoint(start);
        wait_until("the endpoint file", || endpoint.exists());
        let endpoint: Value = serde_json::from_slice(&std::fs::read(endpoint).unwrap()).unwrap();
        Engine { child, address: endpoint["address"].as_str().unwrap().to_owned() }
    }

    /// Lines of all visible output files, sorted.
    pub fn output(&self) -> Vec<String> {
        let mut lines = vec![];
        for entry in std::fs::read_dir(self.path("out")).unwrap() {
            let entry = entry.unwrap();
            if !entry.file_name().to_str().unwrap().starts_with(['.', '_']) {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                lines.extend(text.lines().map(str::to_owned));
            }
        }
        lines.sort();
        lines
    }
}

fn run(command: &str, job: &Path) -> Output {
    Command::new(PROGRAM).args([command, "--job"]).arg(job).output().unwrap()
}

impl Engine {
    pub fn request(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::String(body.to_owned())))
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, answer) = self.request("GET", path, None);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// The one job's id.
    pub fn job(&self) -> String {
        self.get("/jobs")["jobs"][0]["id"].as_str().unwrap().to_owned()
    }

    pub fn state(&self) -> String {
        let jobs = self.get("/jobs/overview");
        jobs["jobs"][0]["state"].as_str().unwrap_or("none").to_owned()
    }

    pub fn completed(&self) -> u64 {
        let answer = self.get(&format!("/jobs/{}/checkpoints", self.job()));
        answer["counts"]["completed"].as_u64().unwrap()
    }

    /// Stops with a savepoint; answers its location.
    pub fn stop(&self, body: Value) -> String {
        let job = self.job();
        let (status, answer) = self.request("POST", &format!("/jobs/{job}/stop"), Some(body));
        assert_eq!(status, 202, "{answer}");
        let trigger = answer["request-id"].as_str().unwrap();
        let path = format!("/jobs/{job}/savepoints/{trigger}");
        wait_until("the savepoint", || self.get(&path)["status"]["id"] == "COMPLETED");
        let location = self.get(&path)["operation"]["location"].clone();
        location.as_str().unwrap_or_else(|| panic!("{}", self.get(&path))).to_owned()
    }

    /// `DELETE /cluster`; the process ends well.
    pub fn shut_down(mut self) {
        self.request("DELETE", "/cluster", None);
        assert!(self.child.wait().unwrap().success());
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn exit_code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Of a test that failed; one that ended is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("waited in vain for {what}");
}
