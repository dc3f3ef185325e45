//! A tiny engine: the REST interface of one job, over a plain socket. The script's text says
//! how it behaves: `good`, `exits`, `silent`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use serde_json::{Value, json};

/// The process that the launcher starts: this test binary again, told to be an engine.
/// Run as an ordinary test it finds no job and has nothing to do.
#[test]
fn fake_engine() {
    let arguments: Vec<String> = std::env::args().collect();
    let Some(at) = arguments.iter().position(|argument| argument == "--job") else { return };
    let job = std::fs::read_to_string(&arguments[at + 1]).expect("the job file is there");
    run(&serde_json::from_str(&job).expect("the job file is JSON"));
}

fn run(job: &Value) {
    let file = |name: &str| PathBuf::from(job[name].as_str().expect("a path"));
    let variables: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    let beside = file("endpoint_file").with_file_name("environment");
    std::fs::write(beside, variables.join("\n")).expect("the run directory is writable");
    match std::fs::read_to_string(file("script")).expect("the script is there").as_str() {
        "exits" => {
            eprintln!("error: Table orders is not there");
            std::process::exit(1);
        }
        "silent" => std::thread::sleep(std::time::Duration::from_secs(60)),
        _ => serve(job, &file("endpoint_file")),
    }
}

fn serve(job: &Value, endpoint: &std::path::Path) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let text = json!({"pid": std::process::id(), "address": address,
        "generation": job["generation"], "started_at_ms": 0});
    let draft = endpoint.with_extension("draft");
    std::fs::write(&draft, text.to_string()).expect("the run directory is writable");
    std::fs::rename(&draft, endpoint).expect("the run directory is writable");
    let mut engine = Engine {
        running: job["standby"] == false,
        held: job["hold_commits"] == true,
        ..Engine::default()
    };
    for stream in listener.incoming().flatten() {
        engine.answer(stream);
    }
}

#[derive(Default)]
struct Engine {
    running: bool,
    held: bool,
    checkpoints: u64,
    savepoint: Option<String>,
    stopped: bool,
    /// What `/jars/main/run` was asked.
    asked: Value,
}

impl Engine {
    fn answer(&mut self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut request = String::new();
        if reader.read_line(&mut request).is_err() || request.is_empty() {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            let _ = reader.read_line(&mut line);
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        let _ = reader.read_exact(&mut body);
        let mut words = request.split_whitespace();
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let (status, answer) = self.route(method, path, &body);
        let text = answer.to_string();
        let _ = write!(
            reader.get_mut(),
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        if (method, path) == ("DELETE", "/cluster") {
            std::process::exit(0);
        }
    }

    fn route(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        match (method, path) {
            ("GET", "/jobs/overview") if !self.running => (200, json!({"jobs": []})),
            ("GET", "/jobs/overview") => {
                let state = if self.stopped { "FINISHED" } else { "RUNNING" };
                let job = json!({"jid": "j", "state": state, "start-time": 5, "duration": 1234});
                (200, json!({"jobs": [job]}))
            }
            ("GET", "/jobs/j/checkpoints") => {
                let savepoint =
                    self.savepoint.as_ref().map(|path| json!({"id": 9, "external_path": path}));
                (
                    200,
                    json!({"counts": {"completed": self.checkpoints},
                    "latest": {"completed": {"id": 1}, "savepoint": savepoint}}),
                )
            }
            ("POST", "/jobs/j/checkpoints") => {
                self.checkpoints += 1;
                (202, json!({"request-id": "c"}))
            }
            ("GET", "/jobs/j/metrics?get=numRestarts,commitsHeld") => {
                let held = u8::from(self.held).to_string();
                let restarts = json!({"id": "numRestarts", "value": "0"});
                (200, json!([restarts, {"id": "commitsHeld", "value": held}]))
            }
            ("POST", "/jars/main/run") if self.running => {
                (409, json!({"errors": ["the job was started already"]}))
            }
            ("POST", "/jars/main/run") => {
                self.running = true;
                self.asked = body.clone();
                (200, json!({"jobid": "j"}))
            }
            ("POST", "/jobs/j/stop") => {
                let level = body["runtime"].as_str().unwrap_or("own");
                let directory = body["targetDirectory"].as_str().expect("a directory");
                self.savepoint = Some(format!("{directory}#{level}"));
                self.stopped = true;
                (202, json!({"request-id": "t"}))
            }
            ("POST", "/jobs/j/savepoints") => (400, json!({"errors": ["x", "No disk\nat y"]})),
            ("GET", "/jobs/j/savepoints/t") => (
                200,
                json!({"status": {"id": "COMPLETED"},
                "operation": {"location": self.savepoint}}),
            ),
            ("POST", "/jobs/j/release-commits") => {
                self.held = false;
                (200, json!({}))
            }
            ("DELETE", "/cluster") => (200, json!({})),
            _ => (404, json!({"errors": [format!("no {method} {path}")]})),
        }
    }
}
