//! Opens a source distribution that came over the network: a tar file, compressed.
//!
//! Only plain files below `TOP/deps/` in the folders of a distribution are taken, under
//! names that stay inside; links, devices and everything else are refused or left out. What
//! comes out is bounded, whatever the archive says.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use flate2::read::GzDecoder;

const BLOCK: usize = 512;
const FILES: usize = 10_000;
const UNPACKED_BYTES: u64 = 2 << 30;
/// The folders of a distribution.
const FOLDERS: [&str; 5] = ["lib", "opt", "bin", "plugins", "licenses"];
/// A name longer than a header holds comes in an entry of its own.
const NAME_BYTES: u64 = 64 * 1024;

/// Unpacks the distribution in `archive` into `target`, which exists and is empty.
///
/// # Errors
/// It is damaged, or has what a distribution has not.
pub fn unpack(archive: &Path, target: &Path) -> anyhow::Result<()> {
    let file = File::open(archive).with_context(|| format!("cannot open {}", archive.display()))?;
    unpack_stream(GzDecoder::new(BufReader::new(file)), target)
}

fn unpack_stream(mut tar: impl Read, target: &Path) -> anyhow::Result<()> {
    let (mut taken, mut entries, mut bytes) = (0_usize, 0_usize, 0_u64);
    let mut long_name = None;
    while let Some(header) = next_header(&mut tar)? {
        entries += 1;
        bytes = bytes.saturating_add(header.size);
        if entries > FILES || bytes > UNPACKED_BYTES {
            bail!("the archive has more than {FILES} files, or more than {UNPACKED_BYTES} bytes");
        }
        match header.kind {
            b'L' => long_name = Some(text(&content(&mut tar, header.size)?)),
            b'x' => long_name = pax_path(&content(&mut tar, header.size)?).or(long_name),
            kind => {
                let name = long_name.take().unwrap_or(header.name);
                taken += usize::from(entry(&mut tar, &name, kind, header.size, target)?);
            }
        }
    }
    if taken == 0 {
        bail!("the archive has no distribution of Flink in it");
    }
    Ok(())
}

/// Whether it was taken.
fn entry(
    tar: &mut impl Read,
    name: &str,
    kind: u8,
    size: u64,
    target: &Path,
) -> anyhow::Result<bool> {
    let wanted = match place(name)? {
        Some(place) if matches!(kind, b'0' | 0) => place,
        Some(_) if matches!(kind, b'1' | b'2') => bail!("the entry {name:?} is a link"),
        _ => {
            skip(tar, size)?;
            return Ok(false);
        }
    };
    let path = target.join(&wanted);
    std::fs::create_dir_all(path.parent().unwrap_or(target))?;
    let mut file =
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let copied = io::copy(&mut tar.take(size), &mut file)?;
    if copied != size {
        bail!("the archive ends within {name:?}");
    }
    file.flush()?;
    skip_padding(tar, size)?;
    Ok(true)
}

/// Where an entry goes, below the distribution; `None`: it is not part of it.
fn place(name: &str) -> anyhow::Result<Option<PathBuf>> {
    let path = Path::new(name);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.contains('\0') || !path.components().all(plain) {
        bail!("the entry {name:?} lies outside of the archive");
    }
    let mut parts = path.components().filter(|part| matches!(part, Component::Normal(_))).skip(1);
    if parts.next().map(Component::as_os_str) != Some("deps".as_ref()) {
        return Ok(None);
    }
    let rest: PathBuf = parts.collect();
    let folder = rest.components().next().and_then(|part| part.as_os_str().to_str());
    Ok(folder.is_some_and(|it| FOLDERS.contains(&it)).then_some(rest))
}

struct Header {
    name: String,
    size: u64,
    kind: u8,
}

/// POSIX ustar: name at 0, size at 124 in octal, kind at 156, prefix of the name at 345. Two
/// blocks of zeros end the archive.
fn next_header(tar: &mut impl Read) -> anyhow::Result<Option<Header>> {
    let mut block = [0_u8; BLOCK];
    match tar.read_exact(&mut block) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read.context("the archive is damaged")?,
    }
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    check_sum(&block)?;
    let prefix = if &block[257..262] == b"ustar" { text(&block[345..500]) } else { String::new() };
    let name = text(&block[..100]);
    let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
    let size = octal(&block[124..136]).context("an entry of the archive has no size")?;
    Ok(Some(Header { name, size, kind: block[156] }))
}

/// The sum of all bytes, its own eight taken for blanks.
fn check_sum(block: &[u8; BLOCK]) -> anyhow::Result<()> {
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
        .sum();
    match octal(&block[148..156]) == Some(sum) {
        true => Ok(()),
        false => bail!("the archive is damaged: a header's sum is wrong"),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = text(field);
    u64::from_str_radix(text.trim(), 8).ok()
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// `LENGTH path=NAME\n` among the records of a pax header.
fn pax_path(records: &[u8]) -> Option<String> {
    let records = String::from_utf8_lossy(records);
    records.lines().find_map(|line| Some(line.split_once(" path=")?.1.to_owned()))
}

fn content(tar: &mut impl Read, size: u64) -> anyhow::Result<Vec<u8>> {
    if size > NAME_BYTES {
        bail!("the archive has a name of {size} bytes");
    }
    let mut bytes = Vec::new();
    tar.by_ref().take(size).read_to_end(&mut bytes)?;
    skip_padding(tar, size)?;
    Ok(bytes)
}

fn skip(tar: &mut impl Read, size: u64) -> anyhow::Result<()> {
    io::copy(&mut tar.by_ref().take(size), &mut io::sink())?;
    skip_padding(tar, size)
}

fn skip_padding(tar: &mut impl Read, size: u64) -> anyhow::Result<()> {
    let rest = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    io::copy(&mut tar.by_ref().take(rest), &mut io::sink())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, kind: u8, size: usize) -> Vec<u8> {
        let mut block = vec![0_u8; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[148..156].fill(b' ');
        block[156] = kind;
        block[257..262].copy_from_slice(b"ustar");
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    fn tar(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, kind, content) in entries {
            bytes.extend(header(name, *kind, content.len()));
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().div_ceil(BLOCK) * BLOCK, 0);
        }
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        bytes
    }

    fn unpacked(bytes: &[u8]) -> anyhow::Result<tempfile::TempDir> {
        let target = tempfile::tempdir()?;
        unpack_stream(bytes, target.path())?;
        Ok(target)
    }

    #[test]
    fn the_folders_of_the_distribution_are_taken_and_nothing_else() {
        let bytes = tar(&[
            ("top/setup.py", b'0', b"import os"),
            ("top/deps/lib/", b'5', b""),
            ("top/deps/lib/a.jar", b'0', b"jar"),
            ("top/deps/examples/b.py", b'0', b"no"),
            ("x", b'L', b"top/deps/plugins/m/c.jar\0"),
            ("cut", b'0', &[7; 700]),
        ]);
        let target = unpacked(&bytes).expect("a good archive");
        assert_eq!(std::fs::read(target.path().join("lib/a.jar")).expect("taken"), b"jar");
        assert_eq!(std::fs::read(target.path().join("plugins/m/c.jar")).expect("taken"), [7; 700]);
        assert_eq!(std::fs::read_dir(target.path()).expect("listed").count(), 2);
    }

    #[test]
    fn what_leaves_the_directory_or_is_damaged_is_refused() {
        let check = |bytes: &[u8], word: &str| {
            let error = unpacked(bytes).map(drop).unwrap_err();
            assert!(format!("{error:#}").contains(word), "{error:#}: {word}");
        };
        check(&tar(&[("top/deps/lib/../../../x", b'0', b"x")]), "lies outside");
        check(&tar(&[("/top/deps/lib/x", b'0', b"x")]), "lies outside");
        check(&tar(&[("top/deps/lib/x", b'2', b"")]), "is a link");
        check(&tar(&[("top/readme", b'0', b"x")]), "no distribution");
        let mut broken = tar(&[("top/deps/lib/a.jar", b'0', b"jar")]);
        broken[0] ^= 1;
        check(&broken, "sum is wrong");
        let whole = tar(&[("top/deps/lib/a.jar", b'0', &[1; 2000])]);
        check(&whole[..BLOCK + 100], "ends within");
    }
}
