//! PARSE_URL (row D3.21).

use millrace_dataflow::{DataType, EvalError, TypeRoot};

use crate::physical::scope::Scope;
use crate::registry::{Body, Function};
use crate::signature::Signature;
use crate::typed::ExprError;
use crate::value::Value;

pub(crate) const FUNCTIONS: &[Function] =
    &[Function::new("PARSE_URL", (2, 3), url_type, Body::Strict(parse_url))];

fn url_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    Ok(TypeRoot::string().nullable())
}

/// The parts that `java.net.URL` tells apart.
struct Url<'a> {
    protocol: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    reference: Option<&'a str>,
}

/// Protocols that Java has handlers for; others are a bad URL.
const PROTOCOLS: [&str; 6] = ["http", "https", "ftp", "file", "jar", "mailto"];

fn parse(text: &str) -> Option<Url<'_>> {
    let (protocol, rest) = text.trim().split_once(':')?;
    if !PROTOCOLS.contains(&protocol.to_ascii_lowercase().as_str()) {
        return None;
    }
    let (rest, reference) = match rest.split_once('#') {
        Some((rest, reference)) => (rest, Some(reference)),
        None => (rest, None),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let url = Url { protocol, authority, path, query, reference };
    port_is_number(url.authority).then_some(url)
}

fn port_is_number(authority: &str) -> bool {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = host.rsplit_once(']').map_or(host, |(_, port)| port);
    port.rsplit_once(':').is_none_or(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

impl<'a> Url<'a> {
    fn part(&self, name: &str) -> Option<String> {
        let own = |text: &str| Some(text.to_owned());
        match name {
            "PROTOCOL" => own(self.protocol),
            "AUTHORITY" => own(self.authority).filter(|text| !text.is_empty()),
            "HOST" => own(self.host()),
            "PATH" => own(self.path),
            "QUERY" => self.query.and_then(own),
            "REF" => self.reference.and_then(own),
            "FILE" => Some(match self.query {
                Some(query) => format!("{}?{query}", self.path),
                None => self.path.to_owned(),
            }),
            "USERINFO" => self.authority.rsplit_once('@').and_then(|(user, _)| own(user)),
            _ => None,
        }
    }

    fn host(&self) -> &'a str {
        let host = self.authority.rsplit_once('@').map_or(self.authority, |(_, host)| host);
        match host.rsplit_once(':') {
            Some((name, _)) if !host.ends_with(']') => name,
            _ => host,
        }
    }
}

fn parse_url<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    let part = row[1].as_str();
    let Some(url) = parse(row[0].as_str()) else { return Ok(Value::Null) };
    let found = match row.get(2) {
        None => url.part(part),
        Some(key) if part == "QUERY" => url.query.and_then(|query| parameter(query, key.as_str())),
        Some(_) => None,
    };
    Ok(found.map_or(Value::Null, Value::text))
}

fn parameter(query: &str, key: &str) -> Option<String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value.to_owned())
}
