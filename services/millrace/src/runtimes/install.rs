//! `millrace runtimes install`: from a package registry, or from where it is already.
//!
//! PyPI's `apache-flink-libraries` is Flink's own distribution in a source package. Nothing
//! in it is run here: it is fetched, compared with the digest that the index gives, and
//! unpacked beside its place; one rename makes it installed.

use std::fs;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use millrace_domain::runtime_environment::{CATALOGUE, Standing};
use millrace_launcher::flink::java;
use millrace_launcher::flink::{Distribution, Distributions, RECORD, Record, Release};

use super::fetch::{Fetcher, resolve};
use super::{check_line, index, unpack};

const PACKAGE: &str = "apache-flink-libraries";

#[derive(Args)]
pub struct InstallArguments {
    /// A release (1.18.1), or a line (1.20), whose newest is taken
    #[arg(default_value = "1.20", value_name = "VERSION")]
    version: String,
    /// Use the distribution that is unpacked in this directory: a FLINK_HOME
    #[arg(long, value_name = "DIR", conflicts_with = "version")]
    from: Option<PathBuf>,
    /// The package index to download from
    #[arg(
        long,
        env = "PIP_INDEX_URL",
        default_value = "https://pypi.org/simple",
        value_name = "URL"
    )]
    index_url: String,
}

pub fn install(releases: &Distributions, arguments: &InstallArguments) -> anyhow::Result<()> {
    let release = match &arguments.from {
        Some(home) => point_at(releases, home)?,
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(download(releases, arguments))?
        }
    };
    let home = releases.directory(release);
    eprintln!("Flink {release} is installed in {}", home.display());
    let runtimes = CATALOGUE.iter().filter(|it| it.version == release.line());
    if let Some(new) = runtimes.into_iter().find(|it| it.standing == Standing::NotOffered) {
        eprintln!("A server offers {} from its next start on", new.name);
    }
    if let Err(missing) = java::find() {
        eprintln!("It does not run yet: {missing}");
    }
    Ok(())
}

/// Nothing is copied: the distribution stays where it is.
fn point_at(releases: &Distributions, home: &Path) -> anyhow::Result<Release> {
    let home = home.canonicalize().with_context(|| format!("cannot find {}", home.display()))?;
    let Distribution { release, home, .. } = Distribution::at(&home)?;
    check_line(release)?;
    let record =
        Record { release: release.to_string(), home: Some(home), source: None, sha256: None };
    let draft = Draft::new(releases, release)?;
    draft.finish(releases, release, &record)?;
    Ok(release)
}

async fn download(
    releases: &Distributions,
    arguments: &InstallArguments,
) -> anyhow::Result<Release> {
    let fetcher = Fetcher::new()?;
    let page = format!("{}/{PACKAGE}/", arguments.index_url.trim_end_matches('/'));
    let (text, page) = fetcher.page(&page).await?;
    let listed = index::listed(&text);
    let Some(chosen) = index::choose(&listed, &arguments.version) else {
        let newest: Vec<String> =
            listed.iter().rev().take(8).map(|it| it.release.to_string()).collect();
        bail!("{page} has no release {}; the newest are {}", arguments.version, newest.join(", "));
    };
    let release = chosen.release;
    check_line(release)?;
    if releases.installed()?.iter().any(|it| it.release == release && it.owned) {
        return Ok(release);
    }
    let draft = Draft::new(releases, release)?;
    let source = resolve(&page, &chosen.link);
    let archive = draft.path.join("download.tar.gz");
    eprintln!("Downloading Flink {release} from {source}");
    let sha256 = fetch(&fetcher, &source, &archive).await?;
    if sha256 != chosen.sha256 {
        bail!("{source} has the SHA-256 {sha256}, and the index says {}", chosen.sha256);
    }
    unpack::unpack(&archive, &draft.path)?;
    fs::remove_file(&archive)?;
    let found = Distribution::at(&draft.path)?;
    if found.release != release {
        bail!("{source} is Flink {}, and not {release}", found.release);
    }
    let (source, sha256) = (Some(source), Some(sha256));
    let record = Record { release: release.to_string(), home: None, source, sha256 };
    draft.finish(releases, release, &record)?;
    Ok(release)
}

async fn fetch(fetcher: &Fetcher, source: &str, archive: &Path) -> anyhow::Result<String> {
    let file =
        fs::File::create(archive).with_context(|| format!("cannot write {}", archive.display()))?;
    let mut file = BufWriter::new(file);
    let shown = std::io::stderr().is_terminal();
    let mut megabytes = 0;
    let progress = |bytes: u64| {
        if shown && bytes >> 20 != megabytes {
            megabytes = bytes >> 20;
            eprint!("\r{megabytes} MB ");
        }
    };
    let sha256 = fetcher.file(source, &mut file, progress).await?;
    file.flush()?;
    if shown {
        eprintln!();
    }
    Ok(sha256)
}

/// A directory beside the release's, removed unless it became that.
struct Draft {
    path: PathBuf,
}

impl Draft {
    fn new(releases: &Distributions, release: Release) -> anyhow::Result<Draft> {
        let name = format!(".installing-flink-{release}-{}", std::process::id());
        let path = releases.root().join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Draft { path })
    }

    /// Replaces what was there.
    fn finish(
        &self,
        releases: &Distributions,
        release: Release,
        record: &Record,
    ) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec_pretty(record).context("a record is plain JSON")?;
        fs::write(self.path.join(RECORD), bytes)?;
        let place = releases.directory(release);
        if place.exists() {
            let aside = self.path.with_extension("before");
            fs::rename(&place, &aside)?;
            fs::remove_dir_all(&aside)?;
        }
        fs::rename(&self.path, &place)
            .with_context(|| format!("cannot put {} in its place", place.display()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.path.exists() {
            drop(fs::remove_dir_all(&self.path));
        }
    }
}
