//! The identity providers whose bearer tokens the REST surface takes, and their keys.
//!
//! Keys are fetched when they are first needed, kept for an hour, and fetched anew when a
//! token names one that is not among them: but not more than once in half a minute,
//! whatever tokens are shown.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use jsonwebtoken::jwk::JwkSet;
use millrace_api::{NotProven, Tokens};
use millrace_auth::Principal;
use millrace_auth::token::{Issuer, TokenError, claimed_issuer, issuers};
use tokio::sync::Mutex;

const KEPT_MS: i64 = 60 * 60 * 1000;
const BETWEEN_FETCHES_MS: i64 = 30 * 1000;
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A key set is a few kilobytes.
const LARGEST: usize = 1024 * 1024;

pub struct TrustedIssuers {
    issuers: Vec<Trusted>,
    http: reqwest::Client,
}

struct Trusted {
    issuer: Issuer,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    set: Option<JwkSet>,
    fetched_ms: Option<i64>,
    tried_ms: Option<i64>,
}

impl TrustedIssuers {
    /// Reads the configuration; the keys are fetched when they are needed.
    ///
    /// # Errors
    /// The file cannot be read, or is no list of issuers.
    pub fn read(path: &Path) -> anyhow::Result<TrustedIssuers> {
        let show = path.display();
        let json = std::fs::read(path).with_context(|| format!("cannot read {show}"))?;
        let issuers = issuers(&json).with_context(|| format!("{show} (--trust) is refused"))?;
        issuers.iter().try_for_each(check_place)?;
        let trusted = |issuer| Trusted { issuer, keys: Mutex::default() };
        let http = reqwest::Client::builder()
            .timeout(FETCH_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(TrustedIssuers { issuers: issuers.into_iter().map(trusted).collect(), http })
    }

    async fn fetch(&self, issuer: &Issuer) -> anyhow::Result<JwkSet> {
        let bytes = if is_url(&issuer.keys) {
            let mut response = self.http.get(&issuer.keys).send().await?.error_for_status()?;
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await? {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > LARGEST {
                    bail!("it is larger than {LARGEST} bytes");
                }
            }
            bytes
        } else {
            tokio::fs::read(&issuer.keys).await?
        };
        Ok(serde_json::from_slice(&bytes)?)
    }
}

impl Trusted {
    /// The keys that are known, fetched when they are old, or when `anew` and it is not too
    /// soon. Old ones serve while there are none to be had.
    async fn keys(&self, of: &TrustedIssuers, anew: bool, now_ms: i64) -> Option<JwkSet> {
        let mut keys = self.keys.lock().await;
        let is_old = keys.fetched_ms.is_none_or(|at| now_ms - at >= KEPT_MS);
        let may = keys.tried_ms.is_none_or(|at| now_ms - at >= BETWEEN_FETCHES_MS);
        if (is_old || anew) && may {
            keys.tried_ms = Some(now_ms);
            match of.fetch(&self.issuer).await {
                Ok(set) => {
                    keys.set = Some(set);
                    keys.fetched_ms = Some(now_ms);
                }
                Err(error) => tracing::warn!(
                    issuer = self.issuer.issuer,
                    error = format!("{error:#}"),
                    "the keys of an identity provider cannot be had"
                ),
            }
        }
        keys.set.clone()
    }
}

#[async_trait]
impl Tokens for TrustedIssuers {
    async fn verify(&self, token: &str, now_ms: i64) -> Result<(Principal, String), NotProven> {
        let issuer = claimed_issuer(token)?;
        let trusted = self.issuers.iter().find(|trusted| trusted.issuer.issuer == issuer);
        let trusted = trusted.ok_or_else(|| TokenError::Issuer { issuer: issuer.clone() })?;
        let keys = trusted.keys(self, false, now_ms).await.ok_or(NotProven::Unavailable)?;
        let verified = match trusted.issuer.verify(token, &keys, now_ms) {
            Err(TokenError::Key { .. }) => {
                let keys = trusted.keys(self, true, now_ms).await.ok_or(NotProven::Unavailable)?;
                trusted.issuer.verify(token, &keys, now_ms)
            }
            verified => verified,
        };
        Ok((verified?, issuer))
    }
}

fn is_url(keys: &str) -> bool {
    keys.starts_with("https://") || keys.starts_with("http://")
}

/// Whoever can change the keys on their way is whoever they like.
fn check_place(issuer: &Issuer) -> anyhow::Result<()> {
    let Some(rest) = issuer.keys.strip_prefix("http://") else { return Ok(()) };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    if ["127.0.0.1", "localhost", "[::1]"].contains(&host) {
        return Ok(());
    }
    bail!("the keys of {:?} are at {}: give an https:// URL, or a file", issuer.issuer, issuer.keys)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use serde_json::json;
    use std::sync::{Arc, Mutex as SyncMutex};

    use super::*;

    /// A private key, and its public one under this name.
    fn key(name: &str) -> (EncodingKey, Jwk) {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        let random = aws_lc_rs::rand::SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let private = EncodingKey::from_ec_der(pkcs8.expect("a key").as_ref());
        let mut public = Jwk::from_encoding_key(&private, Algorithm::ES256).expect("a key");
        public.common.key_id = Some(name.to_owned());
        (private, public)
    }

    fn token(key: &EncodingKey, name: &str) -> String {
        let header = Header { kid: Some(name.to_owned()), ..Header::new(Algorithm::ES256) };
        let claims = json!({ "iss": "idp", "aud": "millrace", "sub": "alice", "exp": 1000 });
        jsonwebtoken::encode(&header, &claims, key).expect("a token")
    }

    fn trust(keys: &str) -> (tempfile::TempDir, TrustedIssuers) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("trust.json");
        let issuer = json!([{
            "issuer": "idp", "audience": "millrace", "keys": keys, "account": "000000000000",
        }]);
        std::fs::write(&path, issuer.to_string()).expect("room");
        let trusted = TrustedIssuers::read(&path).expect("it is sound");
        (directory, trusted)
    }

    #[tokio::test]
    async fn a_new_key_is_fetched_when_a_token_names_it_and_not_too_often() {
        let (first, first_public) = key("first");
        let (second, second_public) = key("second");
        let offered = Arc::new(SyncMutex::new((vec![first_public.clone()], 0)));
        let served = Arc::clone(&offered);
        let route = get(move || {
            let mut offered = served.lock().expect("no panic");
            offered.1 += 1;
            let set = JwkSet { keys: offered.0.clone() };
            async move { axum::Json(set) }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/keys", listener.local_addr().expect("it has one"));
        let server = tokio::spawn(async {
            axum::serve(listener, Router::new().route("/keys", route)).await
        });
        let (_directory, trusted) = trust(&url);
        let alice = Principal::user("000000000000", "alice").expect("a user");
        let proven = Ok((alice, "idp".to_owned()));
        assert_eq!(trusted.verify(&token(&first, "first"), 0).await, proven);
        assert_eq!(trusted.verify(&token(&first, "first"), 10).await, proven);
        let unknown = Err(TokenError::Key { key: "second".to_owned() }.into());
        assert_eq!(trusted.verify(&token(&second, "second"), 20).await, unknown);
        assert_eq!(offered.lock().expect("no panic").1, 1, "too soon to ask again");
        offered.lock().expect("no panic").0 = vec![first_public, second_public];
        let later = BETWEEN_FETCHES_MS;
        assert_eq!(trusted.verify(&token(&second, "second"), later).await, proven);
        assert_eq!(offered.lock().expect("no panic").1, 2);
        server.abort();
        let _ = server.await;
        assert_eq!(trusted.verify(&token(&first, "first"), later + 10).await, proven, "kept");
    }

    #[tokio::test]
    async fn keys_may_be_in_a_file_and_may_be_missing() {
        let (private, public) = key("one");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys.json");
        let (_kept, trusted) = trust(path.to_str().expect("plain"));
        let shown = token(&private, "one");
        assert_eq!(trusted.verify(&shown, 0).await, Err(NotProven::Unavailable));
        std::fs::write(&path, json!({ "keys": [public] }).to_string()).expect("room");
        trusted.verify(&shown, BETWEEN_FETCHES_MS).await.expect("they are there by now");
    }

    #[test]
    fn keys_are_not_fetched_from_afar_in_the_clear() {
        let check = |keys: &str, fine: bool| {
            let issuer = json!([{
                "issuer": "i", "audience": "a", "keys": keys, "account": "000000000000",
            }]);
            let issuers = issuers(issuer.to_string().as_bytes()).expect("sound");
            assert_eq!(check_place(&issuers[0]).is_ok(), fine, "{keys}");
        };
        check("https://idp.example/keys", true);
        check("/etc/keys.json", true);
        check("http://127.0.0.1:9/keys", true);
        check("http://localhost/keys", true);
        check("http://idp.example/keys", false);
        check("http://localhost.example/keys", false);
        check("http://127.0.0.1@idp.example/keys", false);
    }
}
