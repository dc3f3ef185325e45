//! Copies between a data directory and a directory that stands for S3.

use millrace_state::manifest::{self, SnapshotKind};

use super::*;

struct Place {
    directory: tempfile::TempDir,
    transfers: Transfers,
}

fn holder() -> ApplicationId {
    ApplicationId::new("import-1").expect("a valid id")
}

fn at(prefix: &str) -> S3Prefix {
    S3Prefix::new("bucket".to_owned(), prefix.to_owned()).expect("a valid prefix")
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path().join("s3");
        std::fs::create_dir_all(root.join("bucket")).expect("it is empty");
        let data = directory.path().join("data");
        std::fs::create_dir_all(data.join("snapshots")).expect("it is empty");
        let depot = Arc::new(Directory::new(root));
        let transfers = Transfers::new(data.join("snapshots"), vec![data], Some(depot));
        Place { directory, transfers }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A snapshot of two files, with something changed in its manifest.
    fn write(&self, directory: &str, change: impl FnOnce(&mut manifest::Manifest)) -> PathBuf {
        let directory = self.path(directory);
        std::fs::create_dir_all(&directory).expect("it is writable");
        let files: Vec<FileMeta> = ["state-0-0", "state-0-1"]
            .into_iter()
            .map(|name| {
                let bytes = format!("the bytes of {name}");
                std::fs::write(directory.join(name), &bytes).expect("it is writable");
                let crc32 = crc32fast::hash(bytes.as_bytes());
                FileMeta { name: name.to_owned(), length: bytes.len() as u64, crc32 }
            })
            .collect();
        let mut made = manifest::Manifest {
            format: 1,
            runtime: "FLINK-1_15".to_owned(),
            application: "a".to_owned(),
            generation: millrace_dataflow::Generation(1),
            checkpoint: millrace_dataflow::CheckpointId(1),
            kind: SnapshotKind::Savepoint,
            created_at_ms: 1,
            max_parallelism: 128,
            held: false,
            operators: Vec::new(),
            files,
            shared: None,
            runs: Vec::new(),
        };
        change(&mut made);
        let encoded = manifest::encode(&made);
        std::fs::write(directory.join(METADATA), encoded).expect("it is writable");
        directory
    }

    async fn import(&self, prefix: &str) -> Result<Kept, FilesError> {
        self.transfers.import(&at(prefix), &holder(), 1).await
    }

    /// The import fails for good, says so, and leaves nothing.
    async fn check_refused(&self, prefix: &str, part: &str) {
        let error = self.import(prefix).await.expect_err(part);
        assert!(error.is_final && error.message.contains(part), "{error:?} has no {part}");
        assert!(!self.path("data/snapshots/import-1").exists(), "{part}: something is left");
    }
}

#[tokio::test]
async fn what_was_exported_can_be_imported_byte_by_byte() {
    let place = Place::new();
    let from = place.write("data/snapshots/app/one", |_| {});
    let (location, to) = (from.display().to_string(), at("backup/op"));
    place.transfers.export(&format!("file://{location}/_metadata"), &to).await.expect("it works");
    place.transfers.export(&location, &to).await.expect("the same again");
    let kept = place.import("backup/op/").await.expect("it is whole");
    for name in [METADATA, "state-0-0", "state-0-1"] {
        let read = |path: PathBuf| std::fs::read(path.join(name)).expect("it is there");
        assert_eq!(read(PathBuf::from(&kept.location)), read(from.clone()), "{name}");
    }
    assert_eq!(place.transfers.size(&kept.location).await, Ok(kept.size_bytes));
    assert_eq!(place.transfers.size(&location).await, Ok(kept.size_bytes));
    assert_eq!(place.transfers.size("/absent").await, Ok(0));
}

#[tokio::test]
async fn a_damaged_snapshot_is_neither_exported_nor_imported() {
    let place = Place::new();
    place.check_refused("absent", "There is no snapshot at s3://bucket/absent").await;

    let cut = place.write("s3/bucket/cut", |_| {});
    std::fs::write(cut.join("state-0-1"), "short").expect("it is writable");
    place.check_refused("cut", "state-0-1 has 5 bytes and should have 22").await;
    std::fs::write(cut.join("state-0-1"), "the bytes of state-0-x").expect("it is writable");
    place.check_refused("cut", "state-0-1 does not fit its checksum").await;
    std::fs::write(cut.join("state-0-1"), "x".repeat(99)).expect("it is writable");
    place.check_refused("cut", "state-0-1 is longer").await;
    std::fs::remove_file(cut.join("state-0-1")).expect("it is there");
    place.check_refused("cut", "state-0-1 is missing").await;
    std::fs::write(cut.join(METADATA), "{}").expect("it is writable");
    place.check_refused("cut", "is damaged").await;
    std::fs::write(cut.join(METADATA), b"\x49\x60\x67\x2d\0\0\0\x04").expect("it is writable");
    place.check_refused("cut", "written by Apache Flink").await;

    let own = place.write("data/snapshots/app/one", |_| {});
    std::fs::remove_file(own.join("state-0-0")).expect("it is there");
    let exported = place.transfers.export(&own.display().to_string(), &at("x")).await;
    let error = exported.expect_err("a file is missing");
    assert!(error.is_final && error.message.contains("state-0-0 is missing"), "{error:?}");
    assert!(!place.path("s3/bucket/x/_metadata").exists(), "it would look whole");
}

#[tokio::test]
async fn a_manifest_made_by_hand_leads_nowhere_else() {
    let place = Place::new();
    place.write("s3/bucket/out", |made| made.files[0].name = "../../secret".to_owned());
    place.check_refused("out", "no name of a state file").await;
    place.write("s3/bucket/twice", |made| made.files[1].name = "state-0-0".to_owned());
    place.check_refused("twice", "no name of a state file").await;
    place.write("s3/bucket/own", |made| made.files[1].name = METADATA.to_owned());
    place.check_refused("own", "no name of a state file").await;
    place.write("s3/bucket/huge", |made| made.files[1].length = u64::MAX);
    place.check_refused("huge", "at most").await;
    place.write("s3/bucket/runs", |made| made.shared = Some("../../shared".to_owned()));
    place.check_refused("runs", "incremental checkpoint").await;
    let secret = place.path("data").display().to_string();
    place.write("s3/bucket/sink", |made| {
        let pending = serde_json::json!({ "directory": secret, "hidden": "a", "visible": "b" });
        made.operators.push(
            serde_json::from_value(serde_json::json!({
                "id": "op", "name": "sink", "kind": "sink", "layout_digest": "0", "parallelism": 1,
                "entries": 0, "sections": [], "sink": { "writers": [], "committables": [pending] }
            }))
            .expect("an operator"),
        );
    });
    place.check_refused("sink", "where no job of this service may be").await;
}

#[tokio::test]
async fn an_attempt_clears_up_after_those_before_it_and_no_other() {
    let place = Place::new();
    place.write("s3/bucket/good", |_| {});
    let leftover = |number: &str| place.path("data/snapshots/import-1").join(number);
    for number in ["1", "3"] {
        std::fs::create_dir_all(leftover(number)).expect("it is writable");
    }
    let kept = place.transfers.import(&at("good"), &holder(), 2).await.expect("it is whole");
    assert!(!leftover("1").exists() && leftover("3").exists());
    place.transfers.discard(&holder(), 2).await;
    assert!(!PathBuf::from(&kept.location).exists() && leftover("3").exists());
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let place = Place::new();
    let elsewhere = S3Prefix::new("none".to_owned(), "a".to_owned()).expect("a valid prefix");
    let failed = place.transfers.import(&elsewhere, &holder(), 1).await;
    let error = failed.expect_err("there is no bucket");
    assert!(error.is_final && error.message.contains("there is no bucket none"), "{error:?}");
    let without = Transfers::new(place.path("data/snapshots"), Vec::new(), None);
    let error = without.import(&at("a"), &holder(), 1).await.expect_err("there is no S3");
    assert!(error.is_final && error.message.contains("--s3-endpoint"), "{error:?}");
}
