//! TagResource and UntagResource.

use std::collections::BTreeMap;

use crate::change::Change;
use crate::commands::{Command, Facts};
use crate::ids::Timestamp;
use crate::quota;
use crate::reject::Reject;

impl Facts<'_> {
    /// The application with `tags` added, in place of those with the same keys.
    ///
    /// # Errors
    /// It would have too many, or is being deleted.
    pub fn tag(&self, tags: BTreeMap<String, String>, now: Timestamp) -> Result<Change, Reject> {
        self.check(Command::Tag)?;
        let mut application = self.application.clone();
        application.tags.extend(tags);
        check_count(application.tags.len())?;
        Ok(self.change(application, now))
    }

    /// The application without the tags of these keys; one that is not there is gone
    /// already.
    ///
    /// # Errors
    /// It is being deleted.
    pub fn untag(&self, keys: &[String], now: Timestamp) -> Result<Change, Reject> {
        self.check(Command::Tag)?;
        let mut application = self.application.clone();
        application.tags.retain(|key, _| !keys.contains(key));
        Ok(self.change(application, now))
    }
}

/// # Errors
/// A resource would have more tags than are allowed.
pub fn check_count(count: usize) -> Result<(), Reject> {
    if count <= quota::TAGS {
        return Ok(());
    }
    Err(Reject::TooManyTags { count, max: quota::TAGS })
}
