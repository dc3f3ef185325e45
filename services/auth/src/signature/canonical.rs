//! The canonical request: the one text that both sides compute of a request.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{ALGORITHM, TERMINATOR};
use crate::access_key::SecretKey;

/// What is signed of an HTTP request, as it is on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// As sent, percent-encoded, without the query.
    pub path: &'a str,
    /// As sent, without `?`; empty when there is none.
    pub query: &'a str,
    /// Names in lower case; a name may come several times.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> Request<'a> {
    /// The values of a header, in the order sent.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(given, _)| *given == name).map(|(_, value)| *value)
    }

    /// The one value of a header that must not come twice; `None` too when it is no text.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        let mut values = self.values(name);
        let value = std::str::from_utf8(values.next()?).ok()?;
        values.next().is_none().then_some(value)
    }

    /// The value of a parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let (_, value) = parameters(self.query).find(|(given, _)| given == name.as_bytes())?;
        String::from_utf8(value).ok()
    }
}

/// Who signs for what on which day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// YYYYMMDD.
    pub date: String,
    pub region: String,
    pub service: String,
}

impl Scope {
    /// As in `Credential`, after the key's id.
    pub fn text(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

/// The MAC of a request; compared in constant time.
pub(super) fn mac(
    request: &Request<'_>,
    signed_headers: &[String],
    body: &[u8],
    scope: &Scope,
    signed_at: &str,
    secret: &SecretKey,
) -> Hmac<Sha256> {
    let request = canonical_request(request, signed_headers, body);
    let hashed = hex::encode(Sha256::digest(request));
    let text = format!("{ALGORITHM}\n{signed_at}\n{}\n{hashed}", scope.text());
    keyed(&signing_key(secret, scope), text.as_bytes())
}

/// Good for one day, Region and service; the secret cannot be had from it.
fn signing_key(secret: &SecretKey, scope: &Scope) -> Vec<u8> {
    let start = format!("AWS4{}", secret.reveal()).into_bytes();
    [scope.date.as_str(), &scope.region, &scope.service, TERMINATOR]
        .iter()
        .fold(start, |key, part| keyed(&key, part.as_bytes()).finalize().into_bytes().to_vec())
}

fn keyed(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac
}

fn canonical_request(request: &Request<'_>, signed_headers: &[String], body: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "{}\n{}\n{}\n",
        request.method,
        canonical_path(request.path),
        canonical_query(request.query)
    )
    .into_bytes();
    for name in signed_headers {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend(canonical_values(request, name));
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(signed_headers.join(";").as_bytes());
    text.push(b'\n');
    text.extend_from_slice(hex::encode(Sha256::digest(body)).as_bytes());
    text
}

/// Without dots and empty segments, then encoded once more: what is encoded on the wire
/// is encoded twice here (every service but S3).
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let mut text = String::from("/");
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 {
            text.push('/');
        }
        encode(segment.as_bytes(), &mut text);
    }
    if path.ends_with('/') && !segments.is_empty() {
        text.push('/');
    }
    text
}

/// Sorted by encoded name and value, without the signature itself.
fn canonical_query(query: &str) -> String {
    let encoded = |bytes: &[u8]| {
        let mut text = String::new();
        encode(bytes, &mut text);
        text
    };
    let mut pairs: Vec<(String, String)> = parameters(query)
        .filter(|(name, _)| name != b"X-Amz-Signature")
        .map(|(name, value)| (encoded(&name), encoded(&value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn parameters(query: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// All values in the order sent, each without space around it and with one space where
/// there are several.
fn canonical_values(request: &Request<'_>, name: &str) -> Vec<u8> {
    let value = |value: &[u8]| {
        let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(&b' ')
    };
    request.values(name).map(value).collect::<Vec<_>>().join(&b',')
}

/// Everything but RFC 3986's unreserved characters.
pub(super) fn encode(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            other => write!(text, "%{other:02X}").expect("a string takes everything"),
        }
    }
}

/// A `%` without two hexadecimal digits stands for itself; `+` too.
fn decode(text: &str) -> Vec<u8> {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = digits.and_then(|digits| hex::decode(digits).ok()).map(|byte| byte[0]);
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_and_encoded() {
        let check = |path: &str, expected: &str| assert_eq!(canonical_path(path), expected);
        check("", "/");
        check("/", "/");
        check("/./", "/");
        check("/a/..", "/");
        check("/../../a", "/a");
        check("//a//b/", "/a/b/");
        check("/a b", "/a%20b");
        check("/a%20b", "/a%2520b");
    }

    #[test]
    fn queries_are_decoded_once_and_sorted() {
        let check = |query: &str, expected: &str| assert_eq!(canonical_query(query), expected);
        check("", "");
        check("b=2&a=1&a=0", "a=0&a=1&b=2");
        check("a", "a=");
        check("a=%2f&b=%zz&c=%", "a=%2F&b=%25zz&c=%25");
        check("a=x+y", "a=x%2By");
        check("X-Amz-Signature=00&a=1", "a=1");
    }
}
