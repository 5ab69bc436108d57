//! Other forms of texts: encodings, hashes, identifiers.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use super::Takes::String as S;
use super::{Builtin, Failure, Means, Outcome, fixed, of, text};
use crate::csv;
use crate::value::{Type, Value, from_json};

pub(super) const TABLE: &[Builtin] = &[
    fixed("base64encode", &[of("str", S)], |all, _| Ok(Value::text(STANDARD.encode(text(all, 0))))),
    fixed("base64decode", &[of("str", S)], |all, _| {
        let bytes = STANDARD.decode(text(all, 0)).map_err(|why| format!("failed to decode base64 data: {why}"))?;
        String::from_utf8(bytes).map(Value::String).map_err(|_| "contents are not valid UTF-8".into())
    }),
    fixed("csvdecode", &[of("str", S)], |all, _| table(text(all, 0))),
    fixed("jsondecode", &[of("str", S)], |all, _| Ok(from_json(text(all, 0))?)),
    fixed("md5", &[of("str", S)], |all, _| Ok(hex(&Md5::digest(text(all, 0))))),
    fixed("sha1", &[of("str", S)], |all, _| Ok(hex(&Sha1::digest(text(all, 0))))),
    fixed("sha256", &[of("str", S)], |all, _| Ok(hex(&Sha256::digest(text(all, 0))))),
    fixed("sha512", &[of("str", S)], |all, _| Ok(hex(&Sha512::digest(text(all, 0))))),
    fixed("urlencode", &[of("str", S)], |all, _| Ok(Value::String(url(text(all, 0))))),
    fixed("uuidv4", &[], |_, means| {
        let mut bytes = [0; 16];
        (means.entropy)(&mut bytes);
        Ok(uuid(bytes, 4))
    }),
    fixed("uuidv5", &[of("namespace", S), of("name", S)], named),
    fixed("homedir", &[], |_, means| Ok(Value::text(means.home))),
];

fn hex(digest: &[u8]) -> Value {
    Value::String(digest.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("strings take everything");
        out
    }))
}

/// Go's `url.QueryEscape`.
fn url(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b' ' => out.push('+'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            other => write!(out, "%{other:02X}").expect("strings take everything"),
        }
        out
    })
}

/// Rows as objects by the names in the first one.
fn table(text: &str) -> Outcome {
    let mut rows = csv::rows(text)?.into_iter();
    let header = rows.next().ok_or("missing header line")?;
    for (at, name) in header.iter().enumerate() {
        if header[..at].contains(name) {
            return Err(format!("duplicate column name \"{name}\"").into());
        }
    }
    let mut objects = Vec::new();
    for row in rows {
        if row.len() != header.len() {
            return Err("wrong number of fields".into());
        }
        let fields = header.iter().cloned().zip(row.into_iter().map(Value::String));
        objects.push(Value::Object(fields.collect::<BTreeMap<_, _>>()));
    }
    let of = Type::Object(header.into_iter().map(|name| (name, (Type::String, false))).collect());
    Ok(Value::List(of, objects))
}

/// An identifier made of a name; RFC 4122, section 4.3.
fn named(all: &[Value], _: &Means<'_>) -> Outcome {
    // The namespaces of RFC 4122, appendix C, differ in one byte.
    let known = |byte| {
        let mut bytes = *b"\x6b\xa7\xb8\x10\x9d\xad\x11\xd1\x80\xb4\x00\xc0\x4f\xd4\x30\xc8";
        bytes[3] = byte;
        bytes
    };
    let namespace = match text(all, 0) {
        "dns" => known(0x10),
        "url" => known(0x11),
        "oid" => known(0x12),
        "x500" => known(0x14),
        other => {
            parse_uuid(other).ok_or_else(|| Failure::Call(format!("uuidv5() doesn't support namespace {other}")))?
        }
    };
    let digest = Sha1::new().chain_update(namespace).chain_update(text(all, 1)).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Ok(uuid(bytes, 5))
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    let number = (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok())?;
    number.map(u128::to_be_bytes)
}

fn uuid(mut bytes: [u8; 16], version: u8) -> Value {
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    Value::String([&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-"))
}
