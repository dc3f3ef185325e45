//! Known names that this engine does not run: refused with the version that has
//! them, or as not offered yet (row D6.11).

use super::comparison::never;
use crate::registry::{Body, Function, MANY, Since};

const fn later(name: &'static str, since: Since) -> Function {
    Function::new(name, (0, MANY), never, Body::NotOffered).since(since)
}

pub(crate) const FUNCTIONS: &[Function] = &[
    // Needs a random source, which the engine does not hand to expressions.
    later("UUID", Since::Always),
    later("ARRAY_AGG", Since::V1_20),
    later("PERCENTILE", Since::V2_0),
    later("ELT", Since::V2_0),
    later("STARTSWITH", Since::V2_0),
    later("ENDSWITH", Since::V2_0),
    later("PRINTF", Since::V2_0),
    later("REGEXP_COUNT", Since::V2_0),
    later("REGEXP_INSTR", Since::V2_0),
    later("REGEXP_SUBSTR", Since::V2_0),
    later("REGEXP_EXTRACT_ALL", Since::V2_0),
    later("TRANSLATE", Since::V2_0),
    later("UNHEX", Since::V2_0),
    later("URL_ENCODE", Since::V2_0),
    later("URL_DECODE", Since::V2_0),
    later("JSON_QUOTE", Since::V2_0),
    later("JSON_UNQUOTE", Since::V2_0),
];
