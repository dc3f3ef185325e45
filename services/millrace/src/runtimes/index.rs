//! The simple index of a package registry (PEP 503): a page of links, each with the file's
//! SHA-256 in its fragment.

use millrace_launcher::flink::Release;

/// A source distribution of Flink's libraries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub release: Release,
    /// As the page says it: may be relative to the page.
    pub link: String,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// Everything on the page that is one, oldest first.
pub fn listed(page: &str) -> Vec<Listed> {
    let links = page.split("href=").skip(1).filter_map(quoted);
    let mut found: Vec<Listed> = links.filter_map(|link| entry(&unescaped(link))).collect();
    found.sort_by_key(|listed| listed.release);
    found
}

/// The newest that `wanted` means: `1.18.1` itself, or a line such as `1.18`.
pub fn choose<'a>(listed: &'a [Listed], wanted: &str) -> Option<&'a Listed> {
    let fits = |listed: &&Listed| {
        let release = listed.release.to_string();
        release == wanted || release.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
    };
    listed.iter().rev().find(fits)
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|it| matches!(it, '"' | '\''))?;
    text[1..].split(quote).next()
}

fn unescaped(link: &str) -> String {
    link.replace("&amp;", "&").replace("&#38;", "&")
}

fn entry(link: &str) -> Option<Listed> {
    let (address, fragment) = link.split_once('#')?;
    let sha256 = fragment.strip_prefix("sha256=")?.to_ascii_lowercase();
    let name = address.rsplit('/').next()?.strip_suffix(".tar.gz")?;
    let (package, release) = name.rsplit_once('-')?;
    let is_ours = package.replace('_', "-") == "apache-flink-libraries";
    let is_digest = sha256.len() == 64 && sha256.bytes().all(|it| it.is_ascii_hexdigit());
    (is_ours && is_digest).then(|| Release::parse(release)).flatten().map(|release| Listed {
        release,
        link: address.to_owned(),
        sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let sum = "a".repeat(64);
        format!(
            "<a href=\"https://files.test/x/apache-flink-libraries-1.18.1.tar.gz#sha256={sum}\">\
             <a href='../../y/apache_flink_libraries-1.18.10.tar.gz#sha256={sum}'>\
             <a href=\"z/apache-flink-libraries-2.0.0.tar.gz#sha256={sum}&amp;x\">\
             <a href=\"z/apache_flink_libraries-2.3.0-py2.py3-none-any.whl#sha256={sum}\">\
             <a href=\"z/apache-flink-libraries-1.20.0.tar.gz\">\
             <a href=\"z/apache-flink-1.19.0.tar.gz#sha256={sum}\">"
        )
    }

    #[test]
    fn only_source_distributions_with_a_digest_count() {
        let found: Vec<String> =
            listed(&page()).iter().map(|listed| listed.release.to_string()).collect();
        assert_eq!(found, ["1.18.1", "1.18.10"]);
        assert_eq!(listed("<html>").len(), 0);
    }

    #[test]
    fn a_line_means_its_newest_release() {
        let found = listed(&page());
        let check = |wanted: &str, want: Option<&str>| {
            let chosen = choose(&found, wanted).map(|listed| listed.release.to_string());
            assert_eq!(chosen.as_deref(), want, "{wanted}");
        };
        check("1.18", Some("1.18.10"));
        check("1.18.1", Some("1.18.1"));
        check("1", Some("1.18.10"));
        check("1.1", None);
        check("3", None);
    }
}
