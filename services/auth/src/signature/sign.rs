//! Signing: the command line's side.

use hmac::Mac;

use super::ALGORITHM;
use super::canonical::{Request, Scope, encode, mac};
use super::time::SignedAt;
use crate::access_key::NewAccessKey;

/// Signs requests to one service in one Region.
#[derive(Clone, Debug)]
pub struct Signer {
    pub key: NewAccessKey,
    pub region: String,
    pub service: String,
}

impl Signer {
    /// What to send as `X-Amz-Date`, which is one of the headers that are signed.
    pub fn date(now_ms: i64) -> String {
        SignedAt::of(now_ms).text
    }

    /// The `Authorization` of a request: every header of it is signed, so it must hold
    /// `host`, [`Signer::date`] as `x-amz-date`, and nothing that changes on the way.
    pub fn authorization(&self, request: &Request<'_>, body: &[u8], now_ms: i64) -> String {
        let signed_at = SignedAt::of(now_ms);
        let (scope, names) = (self.scope(&signed_at), names(request));
        let mac = mac(request, &names, body, &scope, &signed_at.text, &self.key.secret);
        format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={}",
            self.key.id,
            scope.text(),
            names.join(";"),
            hex::encode(mac.finalize().into_bytes())
        )
    }

    /// The query of a presigned request, good for `expires_s` seconds: that of `request`
    /// with the signature and what belongs to it.
    pub fn presigned_query(
        &self,
        request: &Request<'_>,
        body: &[u8],
        expires_s: u32,
        now_ms: i64,
    ) -> String {
        let signed_at = SignedAt::of(now_ms);
        let (scope, names) = (self.scope(&signed_at), names(request));
        let mut query = request.query.to_owned();
        let credential = format!("{}/{}", self.key.id, scope.text());
        add(&mut query, "X-Amz-Algorithm", ALGORITHM);
        add(&mut query, "X-Amz-Credential", &credential);
        add(&mut query, "X-Amz-Date", &signed_at.text);
        add(&mut query, "X-Amz-Expires", &expires_s.to_string());
        add(&mut query, "X-Amz-SignedHeaders", &names.join(";"));
        let presigned = Request { query: &query, ..*request };
        let mac = mac(&presigned, &names, body, &scope, &signed_at.text, &self.key.secret);
        let signature = hex::encode(mac.finalize().into_bytes());
        add(&mut query, "X-Amz-Signature", &signature);
        query
    }

    fn scope(&self, signed_at: &SignedAt) -> Scope {
        Scope {
            date: signed_at.date().to_owned(),
            region: self.region.clone(),
            service: self.service.clone(),
        }
    }
}

fn names(request: &Request<'_>) -> Vec<String> {
    let mut names: Vec<String> =
        request.headers.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.sort();
    names.dedup();
    names
}

fn add(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    encode(value.as_bytes(), query);
}
