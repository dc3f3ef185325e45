//! What mutations start from: texts and files as they really occur.

use std::path::{Path, PathBuf};

/// The root of the tree, wherever it was built.
fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    here.unwrap_or_else(|| PathBuf::from(".")).join("../..")
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

fn contents(directory: &str, wanted: impl Fn(&Path) -> bool) -> Vec<Vec<u8>> {
    let mut found = vec![];
    files_below(&root().join(directory), &mut found);
    found.iter().filter(|path| wanted(path)).filter_map(|path| std::fs::read(path).ok()).collect()
}

/// The scripts that also run on Apache Flink, over tables of our own.
pub fn scripts() -> Vec<Vec<u8>> {
    let queries = contents("tests/differential/scripts", |path| {
        path.extension().is_some_and(|extension| extension == "sql")
    });
    queries.into_iter().map(|query| [TABLES.as_bytes(), &query].concat()).collect()
}

const TABLES: &str = "CREATE TABLE s (id INT, k STRING, v BIGINT, d DOUBLE, b BOOLEAN, \
    n DECIMAL(10, 2), ts TIMESTAMP(3), p AS PROCTIME(), r ROW<x INT, y ARRAY<STRING>>, \
    m MAP<STRING, INT>, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) \
    WITH ('connector' = 'datagen', 'number-of-rows' = '10');\n\
    CREATE TABLE o (k STRING, v BIGINT) WITH ('connector' = 'print');\n\
    SET 'table.exec.mini-batch.enabled' = 'false';\n";

pub fn json() -> Vec<Vec<u8>> {
    [
        r#"{"i":1,"s":"text","d":1.5,"b":true,"n":"12.34","t":"2024-01-02 03:04:05.678","r":{"x":1,"y":["a",null]},"m":{"k":7}}"#,
        r#" { "s" : "a\"b\\\u00e9\ud83d\udca9" , "i" : null, "z":[{},[],{"q":[1,2,{"w":null}]}], "i":-3 } "#,
        r#"{"d":-1e-7,"n":99999999.99,"t":"0001-01-01 00:00:00","r":null,"m":{}}"#,
        "{}",
        "[1]",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

pub fn csv() -> Vec<Vec<u8>> {
    [
        r#"1,text,1.5,true,12.34,2024-01-02 03:04:05.678"#,
        r#"-2,"a ""quoted"", one",,false,,"2024-01-02 03:04:05""#,
        "#a comment",
        ",,,,,",
        r#""",x,NaN,TRUE,0.001,1999-12-31 23:59:59.999999"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// The JSON of the manifests of all formats, without their checksums.
pub fn manifests() -> Vec<Vec<u8>> {
    let whole = contents("engine/state/tests/golden", |path| path.ends_with("_metadata"));
    whole
        .into_iter()
        .map(|mut bytes| {
            bytes.truncate(bytes.len().saturating_sub(10));
            bytes
        })
        .collect()
}

/// State files of all formats.
pub fn state_files() -> Vec<Vec<u8>> {
    contents("engine/state/tests/golden", |path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("state"))
    })
}
