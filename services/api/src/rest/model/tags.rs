//! Tags: keys and values of one's own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use millrace_api_spec::wire;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Key to value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(pub BTreeMap<String, String>);

impl Tags {
    pub fn into_wire(self) -> Vec<wire::Tag> {
        self.0.into_iter().map(|(key, value)| wire::Tag { key, value: Some(value) }).collect()
    }
}

impl PartialSchema for Tags {
    fn schema() -> RefOr<Schema> {
        let text = |min, max| {
            ObjectBuilder::new().schema_type(Type::String).min_length(min).max_length(Some(max))
        };
        let schema = ObjectBuilder::new()
            .description(Some("Key to value."))
            .property_names(Some(text(Some(1), 128)))
            .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(
                text(None, 256).build().into(),
            ))))
            .max_properties(Some(50))
            .build();
        RefOr::T(schema.into())
    }
}

impl ToSchema for Tags {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Tags")
    }
}
