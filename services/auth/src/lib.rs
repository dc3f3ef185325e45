//! Who may do what: signatures, access keys, policies, limits.
//!
//! A request says under which access key it was signed ([`signature::Claim`]); the key's
//! secret proves it ([`signature::Verified`]); the key belongs to a [`Principal`]; the
//! principal's [`policy`] documents decide what it may do; a [`throttle`] says how often.
//!
//! Pure and synchronous: no I/O, no clock, no randomness; time and random bytes are
//! arguments. The same code signs (the command line) and verifies (the service).
//!
//! Must not know: axum, sqlx, the domain, the engine.

pub mod access_key;
pub mod actions;
pub mod credentials;
pub mod link;
pub mod policy;
pub mod principal;
pub mod seal;
pub mod signature;
pub mod throttle;
pub mod token;

pub use access_key::{AccessKeyId, KeyStatus, NewAccessKey, SecretKey};
pub use policy::Policy;
pub use principal::Principal;
pub use seal::{Sealed, SealingKey};

/// The service's name in scopes, ARNs and actions.
pub const SERVICE: &str = "kinesisanalytics";
