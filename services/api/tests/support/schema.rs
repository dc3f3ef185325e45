//! As much of JSON Schema as the OpenAPI document uses: values that fit, and whether one
//! does.

use serde_json::{Map, Value, json};

use super::random::Random;

pub struct Schemas<'a>(pub &'a Value);

impl Schemas<'_> {
    fn resolved<'s>(&'s self, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.trim_start_matches('#');
                self.resolved(self.0.pointer(pointer).expect("the document has what it refers to"))
            }
            None => schema,
        }
    }

    /// What does not fit, with its place.
    pub fn misfit(&self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        let schema = self.resolved(schema);
        for key in ["oneOf", "anyOf"] {
            if let Some(all) = schema[key].as_array() {
                let fits = all.iter().any(|one| self.misfit(one, value, at).is_none());
                return (!fits).then(|| format!("{at}: {value} is none of {}", schema[key]));
            }
        }
        if !type_fits(&schema["type"], value) {
            return Some(format!("{at}: {value} is no {}", schema["type"]));
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return Some(format!("{at}: {value} is none of {}", schema["enum"]));
        }
        match value {
            Value::Object(members) => self.object_misfit(schema, members, at),
            Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
                self.misfit(&schema["items"], item, &format!("{at}[{index}]"))
            }),
            _ => None,
        }
    }

    fn object_misfit(
        &self,
        schema: &Value,
        members: &Map<String, Value>,
        at: &str,
    ) -> Option<String> {
        let required = schema["required"].as_array().into_iter().flatten();
        let absent = required.filter_map(Value::as_str).find(|name| !members.contains_key(*name));
        if let Some(name) = absent {
            return Some(format!("{at}: has no {name}"));
        }
        members.iter().find_map(|(name, value)| {
            let at = format!("{at}.{name}");
            match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(of), _) => self.misfit(of, value, &at),
                (None, of @ Value::Object(_)) => self.misfit(of, value, &at),
                // A free object.
                (None, _) if schema["properties"].is_null() => None,
                (None, _) => Some(format!("{at} is not described")),
            }
        })
    }

    /// A value that fits, or almost.
    pub fn value(&self, schema: &Value, random: &mut Random) -> Value {
        if random.once_in(25) {
            return random.of(&[json!(null), json!(-1), json!([[]]), json!({"x": 1})]).clone();
        }
        let schema = self.resolved(schema);
        for key in ["oneOf", "anyOf"] {
            if let Some(all) = schema[key].as_array() {
                return self.value(&all[random.below(all.len())], random);
            }
        }
        if let Some(words) = schema["enum"].as_array() {
            return words[random.below(words.len())].clone();
        }
        let first = schema["type"].as_array().map_or(&schema["type"], |types| &types[0]);
        match first.as_str() {
            Some("object") => self.object(schema, random),
            Some("array") => {
                let items = (0..random.below(3)).map(|_| self.value(&schema["items"], random));
                Value::Array(items.collect())
            }
            Some("integer") => json!(random.of(&[0, 1, 2, 5, 50, 51, 999_999_999, i64::MAX])),
            Some("number") => json!(0.5),
            Some("boolean") => json!(random.once_in(2)),
            _ => Value::String(random.text()),
        }
    }

    fn object(&self, schema: &Value, random: &mut Random) -> Value {
        let mut members = Map::new();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            if required.iter().any(|it| it == name) || random.once_in(3) {
                members.insert(name.clone(), self.value(of, random));
            }
        }
        if schema["additionalProperties"].is_object() {
            let value = self.value(&schema["additionalProperties"], random);
            members.insert(random.text(), value);
        }
        Value::Object(members)
    }
}

fn type_fits(types: &Value, value: &Value) -> bool {
    let fits = |name: &str| match name {
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    };
    match types {
        Value::String(name) => fits(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(fits),
        _ => true,
    }
}
