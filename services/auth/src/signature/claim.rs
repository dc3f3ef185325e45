//! What a request claims of its signature, and whether that is so.

use std::collections::BTreeMap;

use hmac::Mac;

use super::canonical::{Request, Scope, mac};
use super::error::SignatureError;
use super::time::{SignedAt, text};
use super::{ALGORITHM, LONGEST_EXPIRY_S, SKEW_MS, TERMINATOR};
use crate::access_key::{AccessKeyId, SecretKey};

/// What a request says about its signature: of the right form, for this service, not
/// expired, and not yet verified.
#[derive(Debug)]
pub struct Claim {
    key: AccessKeyId,
    scope: Scope,
    signed_headers: Vec<String>,
    signature: Vec<u8>,
    signed_at: SignedAt,
}

/// The proof that the owner of the access key's secret made this request.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The Region that the request is for.
    pub region: String,
}

impl Claim {
    /// Reads the claim of a request to `service`.
    ///
    /// # Errors
    /// There is none, it is not whole, or it cannot be right whatever the secret is.
    pub fn read(
        request: &Request<'_>,
        service: &str,
        now_ms: i64,
    ) -> Result<Claim, SignatureError> {
        let presigned = request.query.contains("X-Amz-Algorithm=");
        let claim = match (request.values("authorization").next().is_some(), presigned) {
            (false, false) => return Err(SignatureError::Missing),
            (true, true) => {
                return Err(incomplete(
                    "Authorization is given twice: as a header and in the query",
                ));
            }
            (true, false) => of_header(request, now_ms)?,
            (false, true) => of_query(request, now_ms)?,
        };
        claim.check_scope(service)?;
        claim.check_signed_headers(request, presigned)?;
        Ok(claim)
    }

    /// The key whose secret [`Claim::verify`] needs.
    pub fn key(&self) -> &AccessKeyId {
        &self.key
    }

    /// Checks the signature over `request` and its whole `body`; takes the same time
    /// wherever a wrong one differs.
    ///
    /// # Errors
    /// It is another one.
    pub fn verify(
        self,
        request: &Request<'_>,
        body: &[u8],
        secret: &SecretKey,
    ) -> Result<Verified, SignatureError> {
        let Claim { scope, signed_headers, signature, signed_at, .. } = self;
        let mac = mac(request, &signed_headers, body, &scope, &signed_at.text, secret);
        mac.verify_slice(&signature).map_err(|_| SignatureError::mismatch())?;
        Ok(Verified { region: scope.region })
    }

    fn check_scope(&self, service: &str) -> Result<(), SignatureError> {
        let Scope { date, region, service: named } = &self.scope;
        if date != self.signed_at.date() {
            return Err(invalid(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
                 from HTTP: '{date}' != '{}', from '{}'.",
                self.signed_at.date(),
                self.signed_at.text
            )));
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=64).contains(&region.len()) || !region.chars().all(allowed) {
            return Err(invalid(format!(
                "Credential should be scoped to a valid region, not '{region}'. "
            )));
        }
        if named != service {
            return Err(invalid(format!(
                "Credential should be scoped to correct service: '{service}'. "
            )));
        }
        Ok(())
    }

    /// What a request means must be signed: where it goes and every `x-amz-` header, the
    /// operation's among them.
    fn check_signed_headers(
        &self,
        request: &Request<'_>,
        presigned: bool,
    ) -> Result<(), SignatureError> {
        let signed = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        if !signed("host") {
            return Err(invalid(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        // A presigned request has its date in the query: the header says nothing then.
        let counts =
            |name: &str| name.starts_with("x-amz-") && !(presigned && name == "x-amz-date");
        let unsigned = request.headers.iter().find(|(name, _)| counts(name) && !signed(name));
        if let Some((name, _)) = unsigned {
            return Err(invalid(format!("the header {name} must be among the signed headers")));
        }
        let absent = self.signed_headers.iter().find(|name| request.values(name).next().is_none());
        match absent {
            None => Ok(()),
            Some(name) => Err(invalid(format!(
                "the signed header {name} is not in the request: a proxy may have removed it"
            ))),
        }
    }
}

fn of_header(request: &Request<'_>, now_ms: i64) -> Result<Claim, SignatureError> {
    let authorization = request.value("authorization");
    let authorization =
        authorization.ok_or_else(|| incomplete("Authorization must be one header, and text"))?;
    let parts = parts(authorization)?;
    let signed_at = date_of(request)?;
    refuse_token(request.values("x-amz-security-token").next().is_some())?;
    check_age(&signed_at, SKEW_MS, now_ms)?;
    claim(parts, signed_at, "Authorization header requires", "parameter")
}

fn of_query(request: &Request<'_>, now_ms: i64) -> Result<Claim, SignatureError> {
    let parameter = |name: &str| request.parameter(name);
    if parameter("X-Amz-Algorithm").as_deref() != Some(ALGORITHM) {
        return Err(incomplete(format!("X-Amz-Algorithm must be {ALGORITHM}")));
    }
    refuse_token(parameter("X-Amz-Security-Token").is_some())?;
    let parts = ["Credential", "SignedHeaders", "Signature"]
        .into_iter()
        .filter_map(|name| Some((name, parameter(&format!("X-Amz-{name}"))?)))
        .collect();
    let date = parameter("X-Amz-Date").and_then(|text| SignedAt::basic(&text));
    let signed_at = date.ok_or_else(|| {
        incomplete("AWS query-string parameters must include 'X-Amz-Date' as 20150830T123600Z.")
    })?;
    let expires = parameter("X-Amz-Expires").and_then(|text| text.parse::<i64>().ok());
    let expires = expires.filter(|expires| (1..=LONGEST_EXPIRY_S).contains(expires));
    let expires = expires.ok_or_else(|| {
        incomplete(format!("X-Amz-Expires must be 1 to {LONGEST_EXPIRY_S} seconds"))
    })?;
    check_age(&signed_at, expires * 1000, now_ms)?;
    claim(parts, signed_at, "AWS query-string parameters must include", "as X-Amz-*")
}

/// `Credential=…, SignedHeaders=…, Signature=…` after the algorithm.
fn parts(authorization: &str) -> Result<BTreeMap<&str, String>, SignatureError> {
    let rest = authorization.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' '));
    let rest = rest.ok_or_else(|| {
        incomplete(format!("Authorization must begin with the algorithm {ALGORITHM}"))
    })?;
    let mut parts = BTreeMap::new();
    for part in rest.split(',').map(str::trim) {
        let (name, value) = part.split_once('=').ok_or_else(|| {
            incomplete(
                "a part of the Authorization header is not a valid key=value pair \
                 (missing equal-sign)",
            )
        })?;
        if parts.insert(name, value.to_owned()).is_some() {
            return Err(incomplete(format!("Authorization header has '{name}' twice")));
        }
    }
    Ok(parts)
}

fn claim(
    mut parts: BTreeMap<&str, String>,
    signed_at: SignedAt,
    requires: &str,
    what: &str,
) -> Result<Claim, SignatureError> {
    let mut take = |name: &str| {
        let part = parts.remove(name).filter(|part| !part.is_empty());
        part.ok_or_else(|| incomplete(format!("{requires} '{name}' {what}.")))
    };
    let (key, scope) = credential(&take("Credential")?)?;
    let signature = take("Signature")?;
    let signed_headers = signed_headers(&take("SignedHeaders")?)?;
    let signature = hex::decode(signature).map_err(|_| SignatureError::mismatch())?;
    Ok(Claim { key, scope, signed_headers, signature, signed_at })
}

/// `KEY/DATE/REGION/SERVICE/aws4_request`.
fn credential(text: &str) -> Result<(AccessKeyId, Scope), SignatureError> {
    let parts: Vec<&str> = text.split('/').collect();
    let [key, date, region, service, terminator] = parts[..] else {
        return Err(incomplete(
            "Credential must have exactly 5 slash-delimited elements: \
             keyid/date/region/service/aws4_request",
        ));
    };
    if terminator != TERMINATOR {
        return Err(invalid(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', \
             not '{terminator}'."
        )));
    }
    let key = AccessKeyId::new(key).map_err(|error| incomplete(error.to_string()))?;
    let scope = Scope { date: date.into(), region: region.into(), service: service.into() };
    Ok((key, scope))
}

/// In lower case and order, as both sides must join them.
fn signed_headers(text: &str) -> Result<Vec<String>, SignatureError> {
    let names: Vec<String> = text.split(';').map(str::to_owned).collect();
    let form = |name: &String| !name.is_empty() && !name.bytes().any(|b| b.is_ascii_uppercase());
    let in_order = names.windows(2).all(|pair| pair[0] < pair[1]);
    if in_order && names.iter().all(form) {
        return Ok(names);
    }
    Err(incomplete("SignedHeaders must be names in lower case, in order, each once"))
}

fn date_of(request: &Request<'_>) -> Result<SignedAt, SignatureError> {
    let date = match request.value("x-amz-date") {
        Some(text) => SignedAt::basic(text),
        None => request.value("date").and_then(SignedAt::http),
    };
    date.ok_or_else(|| {
        incomplete(
            "Authorization header requires existence of either a 'X-Amz-Date' \
             (as 20150830T123600Z) or a 'Date' header.",
        )
    })
}

fn refuse_token(given: bool) -> Result<(), SignatureError> {
    if given { Err(SignatureError::SessionToken) } else { Ok(()) }
}

/// A signature holds for `lifetime_ms` after it was made, and clocks may differ.
fn check_age(signed_at: &SignedAt, lifetime_ms: i64, now_ms: i64) -> Result<(), SignatureError> {
    let SignedAt { text: signed, ms } = signed_at;
    let minutes = SKEW_MS / 60_000;
    if *ms > now_ms + SKEW_MS {
        return Err(invalid(format!(
            "Signature not yet current: {signed} is still later than {} ({} + {minutes} min.)",
            text(now_ms + SKEW_MS),
            text(now_ms),
        )));
    }
    if *ms + lifetime_ms < now_ms {
        return Err(invalid(format!(
            "Signature expired: {signed} is now earlier than {} ({} - {} s)",
            text(now_ms - lifetime_ms),
            text(now_ms),
            lifetime_ms / 1000,
        )));
    }
    Ok(())
}

fn incomplete(message: impl Into<String>) -> SignatureError {
    SignatureError::Incomplete(message.into())
}

fn invalid(message: impl Into<String>) -> SignatureError {
    SignatureError::Invalid(message.into())
}
