//! MD5 and the SHA family: lower hex of the UTF-8 bytes (row D3.26).

use md5::{Digest, Md5};
use millrace_dataflow::{DataType, EvalError, TypeRoot};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use crate::registry::{Body, Function};
use crate::signature::Signature;
use crate::typed::ExprError;
use crate::value::Value;

type Outcome<'a> = Result<Value<'a>, EvalError>;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("MD5", (1, 1), |c| fixed(c, 32), Body::Strict(|r, _| hex::<Md5>(r))),
    Function::new("SHA1", (1, 1), |c| fixed(c, 40), Body::Strict(|r, _| hex::<Sha1>(r))),
    Function::new("SHA224", (1, 1), |c| fixed(c, 56), Body::Strict(|r, _| hex::<Sha224>(r))),
    Function::new("SHA256", (1, 1), |c| fixed(c, 64), Body::Strict(|r, _| hex::<Sha256>(r))),
    Function::new("SHA384", (1, 1), |c| fixed(c, 96), Body::Strict(|r, _| hex::<Sha384>(r))),
    Function::new("SHA512", (1, 1), |c| fixed(c, 128), Body::Strict(|r, _| hex::<Sha512>(r))),
    Function::new("SHA2", (2, 2), sha2_type, Body::Strict(|r, _| sha2(r))),
];

fn fixed(call: &mut Signature<'_>, length: u32) -> Result<DataType, ExprError> {
    call.character(0)?;
    call.result(TypeRoot::Char(length))
}

fn hex<'a, D: Digest>(row: &[Value<'a>]) -> Outcome<'a> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = D::digest(row[0].as_str().as_bytes());
    let mut text = String::with_capacity(digest.len() * 2);
    for byte in digest.iter() {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    Ok(Value::text(text))
}

fn sha2_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(0)?;
    call.integer(1)?;
    if let Some(bits) = call.constant_integer(1)
        && ![224, 256, 384, 512].contains(&bits)
    {
        return Err(ExprError::at(1, unsupported(bits)));
    }
    call.result(TypeRoot::VarChar(128))
}

fn unsupported(bits: i64) -> String {
    format!("SHA2 has no {bits} bits; it has 224, 256, 384 and 512")
}

fn sha2<'a>(row: &[Value<'a>]) -> Outcome<'a> {
    match row[1].as_int() {
        224 => hex::<Sha224>(row),
        256 => hex::<Sha256>(row),
        384 => hex::<Sha384>(row),
        512 => hex::<Sha512>(row),
        bits => Err(EvalError::new(unsupported(bits))),
    }
}
