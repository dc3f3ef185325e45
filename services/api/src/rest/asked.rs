//! A request of the REST surface: from HTTP to a call that its caller may make.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Request, Uri, header};
use millrace_api_spec::{OperationSpec, validate};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::RequestId;
use super::problem::{self, Problem};
use crate::access::{self, Audited, Caller, Place, Wanted};
use crate::calls::Call;
use crate::protocol;
use crate::state::ApiState;

/// Characters of an `Idempotency-Key`.
const KEY_LIMIT: usize = 255;

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request with who asks; its body and parameters are still to be read.
#[derive(Debug)]
pub struct Asked {
    pub call: Call,
    /// `If-Match`.
    pub condition: Option<Condition>,
    headers: HeaderMap,
    path: Vec<(String, String)>,
    uri: Uri,
    body: Bytes,
    caller: Caller,
    request_id: String,
    /// What the caller was last found to be allowed.
    allowed: Mutex<Vec<Wanted>>,
    _places: (Place, Option<Place>),
}

/// What the caller believes the application to be at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `*`: whatever it is at.
    Any,
    /// The conditional token, which is also the entity tag.
    Token(String),
}

impl FromRequest<ApiState> for Asked {
    type Rejection = Problem;

    async fn from_request(request: Request<Body>, state: &ApiState) -> Result<Asked, Problem> {
        let (mut parts, body) = request.into_parts();
        let path = path(&mut parts, state).await?;
        let presented = access::presented(state, &parts).await?;
        let place = state.limits.enter(presented.account())?;
        let limit = limit(parts.uri.path(), &parts.headers);
        let upload = (limit > protocol::BODY_LIMIT)
            .then(|| state.limits.enter_upload(presented.account()))
            .transpose()?;
        let body = protocol::read(body, limit).await?;
        let caller = presented.verify(state, &parts, &body)?;
        state.limits.count(&caller.principal, (state.clock)().0)?;
        let condition = condition(&parts.headers)?;
        let key = idempotency_key(&parts.headers)?;
        check_media_type(&parts.headers, &body)?;
        let call = Call {
            account: caller.account().to_owned(),
            region: caller.region.clone(),
            caller: caller.clone(),
            invocation: key.filter(|_| !parts.method.is_safe()),
            digest: digest(&caller, &parts, &body),
            state: state.clone(),
        };
        let id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        Ok(Asked {
            call,
            condition,
            headers: parts.headers,
            path,
            uri: parts.uri,
            body,
            caller,
            request_id: id,
            allowed: Mutex::default(),
            _places: (place, upload),
        })
    }
}

impl Asked {
    /// The text in the place of `{name}`.
    pub fn path(&self, name: &'static str) -> String {
        let found = self.path.iter().find(|(key, _)| key == name);
        found.map(|(_, text)| text.clone()).expect("the route has this parameter")
    }

    /// As [`Asked::path`], of a number.
    pub fn number(&self, name: &'static str) -> Result<u64, Problem> {
        let text = self.path(name);
        text.parse().map_err(|_| Problem::invalid(format!("{name} must be a whole number from 1")))
    }

    /// The header's text; of one that is not text, none.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        match Query::try_from_uri(&self.uri) {
            Ok(Query(query)) => Ok(query),
            Err(error) => Err(Problem::invalid(format!("the query cannot be read: {error}"))),
        }
    }

    /// The body as JSON.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Problem::unreadable(format!("the body cannot be read: {error}")))
    }

    /// As [`Asked::body`]; no body asks for nothing special.
    pub fn body_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        match self.body.trim_ascii().is_empty() {
            true => Ok(T::default()),
            // `null` is none, too.
            false => Ok(self.body::<Option<T>>()?.unwrap_or_default()),
        }
    }

    /// The validation of the AWS operation that does the same, and whether the caller may.
    pub async fn check(&self, operation: &str, request: &impl Serialize) -> Result<(), Problem> {
        let spec = OperationSpec::named(operation).expect("it names one of the table");
        let request = serde_json::to_value(request).expect("wire types have text keys only");
        validate(spec.input, &request)?;
        self.allow(spec, &request).await
    }

    /// Whether the caller may do this to what the path names: asked before anything of it
    /// is looked up, so that who may not learns nothing.
    pub async fn may(&self, operation: &str) -> Result<(), Problem> {
        let spec = OperationSpec::named(operation).expect("it names one of the table");
        self.allow(spec, &self.named()).await
    }

    /// As [`Asked::may`], of an action that is no operation of AWS's.
    pub async fn may_do(&self, action: &str) -> Result<(), Problem> {
        let spec = OperationSpec::named("DescribeApplication").expect("it is in the table");
        let mut wanted = access::wanted(&self.call, &self.caller, spec, &self.named()).await?;
        wanted.iter_mut().for_each(|wanted| action.clone_into(&mut wanted.action));
        Ok(access::authorize(&self.call.state, &self.caller, &wanted).await?)
    }

    /// What the path names, in AWS's words.
    fn named(&self) -> Value {
        let text = |name: &str| self.path.iter().find(|(key, _)| key == name).map(|(_, it)| it);
        json!({ "ApplicationName": text("name"), "SnapshotName": text("snapshot") })
    }

    async fn allow(&self, spec: &'static OperationSpec, request: &Value) -> Result<(), Problem> {
        let wanted = access::wanted(&self.call, &self.caller, spec, request).await?;
        let allowed = access::authorize(&self.call.state, &self.caller, &wanted).await;
        if let (Err(refused), true) = (&allowed, spec.mutates) {
            let audited = self.audited(wanted.clone());
            access::note(&self.call.state, &audited, refused.code.name()).await?;
        }
        *self.allowed.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
        Ok(allowed?)
    }

    fn audited(&self, wanted: Vec<Wanted>) -> Audited {
        Audited { caller: self.caller.clone(), request_id: self.request_id.clone(), wanted }
    }

    /// Does what was asked once: a request with the key of an earlier one is given that
    /// one's answer. The caller may do it, and it is in the audit log before it is done.
    pub async fn once<E: Into<Problem>>(
        &self,
        operation: &str,
        perform: impl Future<Output = Result<String, E>>,
    ) -> Result<String, Problem> {
        if let Some(answer) = self.call.answered_before().await? {
            return Ok(answer);
        }
        let known = |allowed: &Mutex<Vec<Wanted>>| {
            allowed.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        if known(&self.allowed).is_empty() {
            self.may(operation).await?;
        }
        let (state, audited) = (&self.call.state, self.audited(known(&self.allowed)));
        state.limits.count_change(&self.caller.principal, (state.clock)().0)?;
        let noted = access::begin(state, &audited).await?;
        let answer = match perform.await.map_err(Into::into) {
            Ok(answer) => Ok(answer),
            // What refuses the call may be the call itself, sent twice at once.
            Err(refused) => match self.call.answered_before().await {
                Ok(earlier) => earlier.ok_or(refused),
                Err(error) => Err(error.into()),
            },
        };
        let said =
            answer.as_ref().map_or_else(|problem: &Problem| problem.code, |_| access::SUCCESS);
        access::end(state, noted, said).await;
        answer
    }
}

/// How large a body may be: that of a call that takes code may hold it.
fn limit(path: &str, headers: &HeaderMap) -> usize {
    let takes_code = path == "/v1/applications"
        || path.ends_with("/updates")
        || path.ends_with("/updates:check");
    protocol::limit_of(takes_code, headers)
}

async fn path(parts: &mut Parts, state: &ApiState) -> Result<Vec<(String, String)>, Problem> {
    let found = RawPathParams::from_request_parts(parts, state).await;
    let found = found.map_err(|_| Problem::unreadable("the path is not percent-encoded UTF-8"))?;
    Ok(found.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

fn condition(headers: &HeaderMap) -> Result<Option<Condition>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let bad = || Problem::invalid("If-Match must be * or one entity tag: \"TOKEN\"");
    let text = value.to_str().map_err(|_| bad())?.trim();
    if text == "*" {
        return Ok(Some(Condition::Any));
    }
    let token = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or_else(bad)?;
    match token.is_empty() || token.contains('"') {
        true => Err(bad()),
        false => Ok(Some(Condition::Token(token.to_owned()))),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(&IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_LIMIT).contains(&key.len()));
    // Not one of the SDKs', which share the table.
    key.map(|key| Some(format!("rest:{key}"))).ok_or_else(|| {
        Problem::invalid(format!("Idempotency-Key must have 1 to {KEY_LIMIT} ASCII characters"))
    })
}

/// A body says that it is JSON; who sends none need not.
fn check_media_type(headers: &HeaderMap, body: &Bytes) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = given.and_then(|given| given.split(';').next()).unwrap_or_default();
    if body.is_empty() || media_type.trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(problem::MEDIA, "the Content-Type header must be application/json"))
}

/// The same key with another request is another call, as on the AWS surface.
fn digest(caller: &Caller, parts: &Parts, body: &Bytes) -> String {
    let condition = parts.headers.get(header::IF_MATCH).map_or(&b""[..], |it| it.as_bytes());
    let mut digest = Sha256::new();
    // An answer is given again to nobody else.
    digest.update(caller.principal.to_string());
    digest.update([0]);
    for part in [parts.method.as_str().as_bytes(), parts.uri.to_string().as_bytes(), condition] {
        digest.update(part);
        digest.update([0]);
    }
    digest.update(body);
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::{Condition, condition};
    use http::{HeaderMap, HeaderValue, header};

    #[test]
    fn a_condition_is_one_entity_tag_or_any() {
        let check = |value: &'static str, expected: Option<Condition>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, HeaderValue::from_static(value));
            assert_eq!(condition(&headers).ok().flatten(), expected, "{value}");
        };
        check("*", Some(Condition::Any));
        check("\"abc\"", Some(Condition::Token("abc".to_owned())));
        check("abc", None);
        check("\"a\", \"b\"", None);
        check("W/\"a\"", None);
        check("\"\"", None);
    }
}
