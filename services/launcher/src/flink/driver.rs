//! The program that runs a script on Flink: a JAR with one class, written here byte by byte,
//! so that neither a compiler nor more than Flink's own libraries is needed.
//!
//! It is what this would be in Java, without the loops:
//!
//! ```java
//! public static void main(String[] arguments) {
//!     TableEnvironment tables = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
//!     tables.getConfig().set(arguments[0], arguments[1]); // for each setting
//!     tables.executeSql(arguments[2]);                    // for each statement
//! }
//! ```
//!
//! These methods are the same from Flink 1.15 to 2.3. Flink's SQL gateway would do it too,
//! but it is one more JVM beside the cluster, and PyPI's distribution has it not.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::script::Script;

/// The class in the JAR.
pub const MAIN: &str = "millrace.Script";
/// What one `main` can be: 64 KiB of instructions.
const MOST: usize = 3_000;

/// The JAR for scripts with as many settings and statements; `None`: there are too many.
pub fn jar(script: &Script) -> Option<Vec<u8>> {
    if script.settings.len() + script.statements.len() > MOST {
        return None;
    }
    let batch = script.settings.get("execution.runtime-mode");
    let batch = batch.is_some_and(|mode| mode.eq_ignore_ascii_case("batch"));
    let class = class(script.settings.len(), script.statements.len(), batch);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let manifest = format!("Manifest-Version: 1.0\r\nMain-Class: {MAIN}\r\n\r\n");
    let entries =
        [("META-INF/MANIFEST.MF", manifest.as_bytes()), ("millrace/Script.class", &class)];
    for (name, content) in entries {
        writer.start_file(name, SimpleFileOptions::default()).ok()?;
        writer.write_all(content).ok()?;
    }
    Some(writer.finish().ok()?.into_inner())
}

/// What `main` is called with.
pub fn arguments(script: &Script) -> Vec<String> {
    let settings = script.settings.iter().flat_map(|(key, value)| [key.clone(), value.clone()]);
    settings.chain(script.statements.iter().cloned()).collect()
}

const SETTINGS: &str = "org/apache/flink/table/api/EnvironmentSettings";
const TABLES: &str = "org/apache/flink/table/api/TableEnvironment";
const CONFIG: &str = "org/apache/flink/table/api/TableConfig";

/// Java Virtual Machine Specification, chapters 4 and 6; class files of Java 8.
fn class(settings: usize, statements: usize, batch: bool) -> Vec<u8> {
    let mut pool = Pool::default();
    let this = pool.class("millrace/Script");
    let object = pool.class("java/lang/Object");
    let (name, kind) = (pool.utf8("main"), pool.utf8("([Ljava/lang/String;)V"));
    let code_name = pool.utf8("Code");
    let code = code(&mut pool, settings, statements, batch);
    let mut bytes = Vec::new();
    bytes.extend(0xCAFE_BABE_u32.to_be_bytes());
    bytes.extend([0, 0, 0, 52]);
    bytes.extend(pool.bytes());
    // public super; no interfaces, no fields, one method: public static.
    for number in [0x0021, this, object, 0, 0, 1, 0x0009, name, kind, 1, code_name] {
        bytes.extend(number.to_be_bytes());
    }
    let length = u32::try_from(code.len()).expect("MOST keeps it below 64 KiB");
    bytes.extend((length + 12).to_be_bytes());
    // Four values on the stack at most, two variables; no handlers, no attributes.
    bytes.extend([0, 4, 0, 2]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(code);
    bytes.extend([0, 0, 0, 0, 0, 0]);
    bytes
}

fn code(pool: &mut Pool, settings: usize, statements: usize, batch: bool) -> Vec<u8> {
    let mode = if batch { "inBatchMode" } else { "inStreamingMode" };
    let mode = pool.method(Pool::METHOD, (SETTINGS, mode), &format!("()L{SETTINGS};"));
    let create =
        pool.method(Pool::INTERFACE, (TABLES, "create"), &format!("(L{SETTINGS};)L{TABLES};"));
    let config = pool.method(Pool::INTERFACE, (TABLES, "getConfig"), &format!("()L{CONFIG};"));
    let text = "Ljava/lang/String;";
    let set = pool.method(Pool::METHOD, (CONFIG, "set"), &format!("({text}{text})L{CONFIG};"));
    let result = "Lorg/apache/flink/table/api/TableResult;";
    let execute =
        pool.method(Pool::INTERFACE, (TABLES, "executeSql"), &format!("({text}){result}"));

    let mut code = Vec::new();
    code.push(INVOKESTATIC);
    code.extend(mode.to_be_bytes());
    code.push(INVOKESTATIC);
    code.extend(create.to_be_bytes());
    code.push(ASTORE_1);
    for at in 0..settings {
        call_interface(&mut code, config, &[]);
        argument(&mut code, 2 * at);
        argument(&mut code, 2 * at + 1);
        code.push(INVOKEVIRTUAL);
        code.extend(set.to_be_bytes());
        code.push(POP);
    }
    for at in 0..statements {
        call_interface(&mut code, execute, &[2 * settings + at]);
        code.push(POP);
    }
    code.push(RETURN);
    code
}

const SIPUSH: u8 = 0x11;
const ALOAD_0: u8 = 0x2a;
const ALOAD_1: u8 = 0x2b;
const AALOAD: u8 = 0x32;
const ASTORE_1: u8 = 0x4c;
const POP: u8 = 0x57;
const RETURN: u8 = 0xb1;
const INVOKEVIRTUAL: u8 = 0xb6;
const INVOKESTATIC: u8 = 0xb8;
const INVOKEINTERFACE: u8 = 0xb9;

/// `arguments[at]`
fn argument(code: &mut Vec<u8>, at: usize) {
    let at = i16::try_from(at).expect("MOST keeps it small");
    code.extend([ALOAD_0, SIPUSH]);
    code.extend(at.to_be_bytes());
    code.push(AALOAD);
}

/// A method of the table environment, with these of the arguments.
fn call_interface(code: &mut Vec<u8>, method: u16, arguments: &[usize]) {
    code.push(ALOAD_1);
    arguments.iter().for_each(|at| argument(code, *at));
    code.push(INVOKEINTERFACE);
    code.extend(method.to_be_bytes());
    code.extend([1 + u8::try_from(arguments.len()).expect("one or none"), 0]);
}

/// The constants of a class, each once.
#[derive(Default)]
struct Pool {
    entries: Vec<Vec<u8>>,
}

impl Pool {
    const METHOD: u8 = 10;
    const INTERFACE: u8 = 11;

    /// Numbers begin at 1.
    fn entry(&mut self, bytes: Vec<u8>) -> u16 {
        let found = self.entries.iter().position(|entry| *entry == bytes);
        let at = found.unwrap_or_else(|| {
            self.entries.push(bytes);
            self.entries.len() - 1
        });
        u16::try_from(at + 1).expect("a class has a few dozen constants")
    }

    fn utf8(&mut self, text: &str) -> u16 {
        let length = u16::try_from(text.len()).expect("names are short");
        let mut bytes = vec![1];
        bytes.extend(length.to_be_bytes());
        bytes.extend(text.as_bytes());
        self.entry(bytes)
    }

    fn class(&mut self, name: &str) -> u16 {
        let name = self.utf8(name);
        self.entry([&[7], &name.to_be_bytes()[..]].concat())
    }

    fn method(&mut self, kind: u8, (class, name): (&str, &str), signature: &str) -> u16 {
        let class = self.class(class);
        let (name, signature) = (self.utf8(name), self.utf8(signature));
        let pair = [&[12], &name.to_be_bytes()[..], &signature.to_be_bytes()[..]].concat();
        let pair = self.entry(pair);
        self.entry([&[kind], &class.to_be_bytes()[..], &pair.to_be_bytes()[..]].concat())
    }

    fn bytes(&self) -> Vec<u8> {
        let count = u16::try_from(self.entries.len() + 1).expect("a few dozen");
        [count.to_be_bytes().to_vec(), self.entries.concat()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flink::script;

    #[test]
    fn settings_come_before_statements() {
        let script = script::read("SET 'k' = 'v'; CREATE TABLE t (a INT); INSERT INTO t SELECT 1;");
        let script = script.expect("a script");
        assert_eq!(arguments(&script)[..2], ["k", "v"]);
        assert_eq!(arguments(&script).len(), 4);
        let jar = jar(&script).expect("small");
        assert!(jar.starts_with(b"PK"));
    }

    #[test]
    fn the_code_has_a_call_for_each_setting_and_statement() {
        let calls = |settings, statements| {
            let code = code(&mut Pool::default(), settings, statements, false);
            (code.len(), code.iter().filter(|byte| **byte == INVOKEINTERFACE).count())
        };
        let (empty, _) = calls(0, 0);
        assert_eq!(calls(0, 1).0 - empty, 12);
        assert_eq!(calls(1, 0).0 - empty, 20);
        assert_eq!(calls(2, 3).1, 5);
        let many = Script { statements: vec![String::new(); MOST + 1], ..Script::default() };
        assert_eq!(jar(&many), None);
        // The largest still fits into a method.
        assert!(calls(MOST, 0).0 < 65_536 && calls(0, MOST).0 < 65_536);
    }

    /// Where there is a JDK, its own reader checks the class.
    #[test]
    fn javap_reads_the_class() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("Script.class");
        std::fs::write(&path, class(1, 2, false)).expect("writable");
        let asked = std::process::Command::new("javap").args(["-c", "-p"]).arg(&path).output();
        let Ok(said) = asked else { return eprintln!("SKIPPED: there is no javap") };
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains("public static void main(java.lang.String[])"), "{said}");
        assert_eq!(said.matches("TableEnvironment.executeSql").count(), 2, "{said}");
        assert_eq!(said.matches("TableConfig.set").count(), 1, "{said}");
    }
}
