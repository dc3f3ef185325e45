//! Plain downloads over HTTPS, or HTTP from a registry on one's own network.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_lc_rs::digest;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

const PAGE_BYTES: usize = 16 << 20;
const FILE_BYTES: u64 = 1 << 30;
const REDIRECTS: usize = 5;
/// Without a byte for this long, a download is given up.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

type Answer = axum::http::Response<hyper::body::Incoming>;

impl Fetcher {
    /// Trusts what the system trusts (`SSL_CERT_FILE` names another list).
    ///
    /// # Errors
    /// The system has no list of trusted certificates.
    pub fn new() -> anyhow::Result<Fetcher> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots((*provider).clone())
            .context("the system has no trusted certificates; SSL_CERT_FILE can name them")?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Fetcher { client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// A page of text, and where it was in the end.
    ///
    /// # Errors
    /// It cannot be had, or is larger than any index.
    pub async fn page(&self, url: &str) -> anyhow::Result<(String, String)> {
        let (mut answer, url) = self.get(url).await?;
        let mut page = Vec::new();
        while let Some(data) = next_piece(&mut answer, &url).await? {
            page.extend_from_slice(&data);
            if page.len() > PAGE_BYTES {
                bail!("{url} has more than {PAGE_BYTES} bytes");
            }
        }
        Ok((String::from_utf8_lossy(&page).into_owned(), url))
    }

    /// Writes a file as it comes and gives its SHA-256, in hexadecimal.
    ///
    /// # Errors
    /// It cannot be had or written, or is larger than any distribution.
    pub async fn file(
        &self,
        url: &str,
        target: &mut impl Write,
        mut progress: impl FnMut(u64),
    ) -> anyhow::Result<String> {
        let (mut answer, url) = self.get(url).await?;
        let mut sum = digest::Context::new(&digest::SHA256);
        let mut bytes = 0_u64;
        while let Some(data) = next_piece(&mut answer, &url).await? {
            bytes += data.len() as u64;
            if bytes > FILE_BYTES {
                bail!("{url} has more than {FILE_BYTES} bytes");
            }
            sum.update(&data);
            target.write_all(&data)?;
            progress(bytes);
        }
        let hexadecimal = |byte: &u8| format!("{byte:02x}");
        Ok(sum.finish().as_ref().iter().map(hexadecimal).collect())
    }

    async fn get(&self, url: &str) -> anyhow::Result<(Answer, String)> {
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS {
            let request = axum::http::Request::get(&url)
                .header("accept", "application/vnd.pypi.simple.v1+html, text/html;q=0.5, */*;q=0.1")
                .header("user-agent", concat!("millrace/", env!("CARGO_PKG_VERSION")))
                .body(Empty::new())
                .with_context(|| format!("{url:?} is not an address"))?;
            let sent = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
            let answer = sent
                .with_context(|| format!("{url} did not answer"))?
                .with_context(|| format!("cannot reach {url}"))?;
            let status = answer.status();
            if status.is_success() {
                return Ok((answer, url));
            }
            let to = answer.headers().get("location").and_then(|it| it.to_str().ok());
            match to.filter(|_| status.is_redirection()) {
                Some(to) => url = redirected(&url, to)?,
                None => bail!("{url} answered {status}"),
            }
        }
        bail!("{url} is reached by more than {REDIRECTS} redirections")
    }
}

/// A redirection may not lose the encryption.
fn redirected(from: &str, to: &str) -> anyhow::Result<String> {
    let url = resolve(from, to);
    if from.starts_with("https:") && !url.starts_with("https:") {
        bail!("{from} redirects to {url}, which is not encrypted");
    }
    Ok(url)
}

/// A link of a page at `base`: whole, from the root, or relative.
pub fn resolve(base: &str, link: &str) -> String {
    if link.contains("://") {
        return link.to_owned();
    }
    let scheme = base.find("://").map_or(0, |at| at + 3);
    let root = base[scheme..].find('/').map_or(base.len(), |at| scheme + at);
    if link.starts_with('/') {
        return format!("{}{link}", &base[..root]);
    }
    let folder = base[root..].rfind('/').map_or(base.len(), |at| root + at);
    let mut parts: Vec<&str> = base[root..folder].split('/').filter(|it| !it.is_empty()).collect();
    for part in link.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    format!("{}/{}", &base[..root], parts.join("/"))
}

async fn next_piece(answer: &mut Answer, url: &str) -> anyhow::Result<Option<Bytes>> {
    loop {
        let frame = tokio::time::timeout(PATIENCE, answer.body_mut().frame()).await;
        let frame = frame.with_context(|| format!("{url} stopped sending"))?;
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.with_context(|| format!("the download of {url} broke off"))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{redirected, resolve};

    #[test]
    fn links_are_whole_or_relative_to_their_page() {
        let check = |base: &str, link: &str, want: &str| assert_eq!(resolve(base, link), want);
        let page = "https://pypi.test/simple/apache-flink-libraries/";
        check(page, "https://files.test/a.tar.gz", "https://files.test/a.tar.gz");
        check(page, "../../files/a.tar.gz", "https://pypi.test/files/a.tar.gz");
        check(page, "/files/a.tar.gz", "https://pypi.test/files/a.tar.gz");
        check(page, "a.tar.gz", "https://pypi.test/simple/apache-flink-libraries/a.tar.gz");
        check("https://pypi.test", "a", "https://pypi.test/a");
    }

    #[test]
    fn a_redirection_stays_encrypted() {
        assert!(redirected("https://a.test/x", "http://a.test/y").is_err());
        assert!(redirected("http://a.test/x", "https://a.test/y").is_ok());
    }
}
