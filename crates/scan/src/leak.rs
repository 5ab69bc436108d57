//! Secrets that should not be in an image: keys and tokens of well-known shapes, and files that hold credentials.
//!
//! A shape is a beginning that nothing else has and what must follow it. Words like `password =` are no shape: what stands behind
//! them is mostly none.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::letters;
pub use crate::letters::{HEAD, is_text};

/// Something that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Leak {
    /// What it looks like, for people.
    pub kind: String,
    /// Where it begins, from 1.
    pub line: usize,
    /// Its first letters; the rest is not repeated anywhere.
    pub starts: String,
}

/// Which letters follow a beginning.
#[derive(Clone, Copy)]
enum Letters {
    Alphanumeric,
    Upper,
    /// With `-` and `_`.
    Url,
    /// With `-`, `_` and `.`.
    Dotted,
    /// With `-`, `_` and `/`.
    Path,
}

struct Shape {
    start: &'static [u8],
    letters: Letters,
    /// How many at least; what is longer is one too, unless `is_exact`.
    least: usize,
    is_exact: bool,
    kind: &'static str,
}

const fn shape(start: &'static str, letters: Letters, least: usize, kind: &'static str) -> Shape {
    Shape { start: start.as_bytes(), letters, least, is_exact: false, kind }
}

const fn exact(start: &'static str, letters: Letters, least: usize, kind: &'static str) -> Shape {
    Shape { start: start.as_bytes(), letters, least, is_exact: true, kind }
}

const SHAPES: &[Shape] = &[
    exact("AKIA", Letters::Upper, 16, "AWS access key"),
    exact("ASIA", Letters::Upper, 16, "AWS access key"),
    exact("AIza", Letters::Url, 35, "Google API key"),
    shape("ghp_", Letters::Alphanumeric, 36, "GitHub token"),
    shape("gho_", Letters::Alphanumeric, 36, "GitHub token"),
    shape("ghu_", Letters::Alphanumeric, 36, "GitHub token"),
    shape("ghs_", Letters::Alphanumeric, 36, "GitHub token"),
    shape("ghr_", Letters::Alphanumeric, 36, "GitHub token"),
    shape("github_pat_", Letters::Url, 60, "GitHub token"),
    shape("glpat-", Letters::Url, 20, "GitLab token"),
    shape("xoxb-", Letters::Url, 20, "Slack token"),
    shape("xoxp-", Letters::Url, 20, "Slack token"),
    shape("xoxa-", Letters::Url, 20, "Slack token"),
    shape("sk_live_", Letters::Alphanumeric, 20, "Stripe key"),
    shape("rk_live_", Letters::Alphanumeric, 20, "Stripe key"),
    exact("npm_", Letters::Alphanumeric, 36, "npm token"),
    shape("pypi-AgEIcHlwaS5vcmc", Letters::Url, 50, "PyPI token"),
    shape("dckr_pat_", Letters::Url, 20, "Docker Hub token"),
    shape("sk-ant-", Letters::Url, 40, "Anthropic API key"),
    shape("sk-proj-", Letters::Url, 40, "OpenAI API key"),
    shape("https://hooks.slack.com/services/", Letters::Path, 36, "Slack webhook"),
    shape("SG.", Letters::Dotted, 60, "SendGrid key"),
    shape("hvs.", Letters::Url, 24, "Vault token"),
];

/// 1 MiB: secrets lie in small files, and large ones are data.
pub const MAX_BYTES: u64 = 1 << 20;
/// 50 secrets of one file: a list of examples.
const MAX_LEAKS: usize = 50;
const KEY: &[u8] = b"-----BEGIN ";
/// The same in base64, as Kubernetes' files have it. Each length of what stands before would begin another way; nothing does.
const ENCODED_KEY: &[u8] = b"LS0tLS1CRUdJTi";
/// 2 KiB: no token is longer. What is longer is data.
const MAX_TOKEN: usize = 2 << 10;
/// 16 KiB: web tokens have claims of any kind, but are sent with each request.
const MAX_WEB_TOKEN: usize = 16 << 10;
/// 64 letters of base64: what only talks of keys has none.
const LEAST_KEY: usize = 64;
/// 1 KiB of a key is looked at: headers and the first lines.
const MAX_KEY: usize = 1 << 10;

/// Whether a file is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    /// It is.
    Always,
    /// Only if no package of the system has brought it: those are full of examples, and have no secrets of whoever made the image.
    IfUnowned,
    /// It is not.
    Never,
}

impl Searched {
    /// Whether a file of this path is, from the root without a leading slash.
    pub fn of_path(path: &str) -> Self {
        let starts = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        match path {
            // What packages do when they are installed.
            _ if starts(&["var/lib/dpkg/info/"]) => Self::Never,
            _ if starts(&["usr/local/", "usr/src/"]) => Self::Always,
            _ if starts(&["usr/", "lib/", "lib64/", "bin/", "sbin/"]) => Self::IfUnowned,
            _ => Self::Always,
        }
    }
}

/// The secrets in a file of this path.
pub fn search(path: &str, bytes: &[u8]) -> Vec<Leak> {
    let mut found = Vec::new();
    let head = &bytes[..bytes.len().min(HEAD)];
    if !is_text(head) {
        return found;
    }
    let bytes = &letters::narrow(bytes);
    let (mut line, mut counted) = (1, 0);
    for hit in hits(bytes).take(MAX_LEAKS) {
        line += bytes[counted..hit.at].iter().filter(|byte| **byte == b'\n').count();
        counted = hit.at;
        let starts = start_of(&bytes[hit.at..hit.at + hit.len]);
        found.push(Leak { kind: hit.kind.to_owned(), line, starts });
    }
    if found.is_empty() {
        found.extend(credentials(path, bytes));
    }
    found
}

/// The text with nothing of its secrets but their first letters: for what is shown, and goes into documents that others get.
pub fn hide(text: &str) -> Cow<'_, str> {
    let (mut shown, mut end) = (Vec::new(), 0);
    for hit in hits(text.as_bytes()) {
        if hit.at < end {
            // It is in a key.
            continue;
        }
        let secret = &text.as_bytes()[hit.at..hit.at + hit.len];
        // What is found of a key is how it begins: its letters follow.
        let rest = &text[hit.at + hit.len..];
        let body = if secret.starts_with(KEY) { rest.find("-----END").unwrap_or(rest.len()) } else { 0 };
        shown.extend_from_slice(&text.as_bytes()[end..hit.at]);
        shown.extend_from_slice(start_of(secret).as_bytes());
        shown.extend_from_slice("…".as_bytes());
        end = hit.at + hit.len + body;
    }
    if end == 0 {
        return Cow::Borrowed(text);
    }
    shown.extend_from_slice(&text.as_bytes()[end..]);
    Cow::Owned(String::from_utf8_lossy(&shown).into_owned())
}

/// Where something of a shape is.
struct Hit {
    kind: &'static str,
    at: usize,
    len: usize,
}

/// Everything of a shape, in order. A run of letters that was refused is not looked at again from each beginning in it: the work is as
/// long as the text.
fn hits(bytes: &[u8]) -> impl Iterator<Item = Hit> {
    let mut at = 0;
    // Where tokens, web tokens and keys may begin again.
    let (mut token_from, mut jwt_from, mut key_from) = (0, 0, 0);
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let is_start = bytes.get(at + 1).is_some_and(|second| STARTS.has(bytes[at], *second))
                && at.checked_sub(1).is_none_or(|before| !is_word(bytes[before]) || bytes[at] == b'-');
            let rest = &bytes[at..];
            let find = || {
                known(at, &mut token_from, || token(rest))
                    .or_else(|| key(rest))
                    .or_else(|| url(rest))
                    .or_else(|| known(at, &mut jwt_from, || jwt(rest)))
                    .or_else(|| known(at, &mut key_from, || encoded_key(rest)))
            };
            if let Some((kind, len)) = is_start.then(find).flatten() {
                let hit = Hit { kind, at, len };
                at += len;
                return Some(hit);
            }
            at += 1;
        }
        None
    })
}

/// What a look at one place comes to.
enum Sight {
    /// A secret, and its length.
    Is(&'static str, usize),
    /// None, nor does one of this kind begin in so many bytes.
    Not(usize),
}

/// Looks at a place, unless it is known that nothing is there.
fn known(at: usize, from: &mut usize, look: impl FnOnce() -> Sight) -> Option<(&'static str, usize)> {
    if at < *from {
        return None;
    }
    match look() {
        Sight::Is(kind, len) => Some((kind, len)),
        Sight::Not(len) => {
            *from = at + len;
            None
        }
    }
}

/// The first two letters of all shapes, keys, URLs and web tokens: few places of a file have any of them.
static STARTS: Pairs = {
    let mut pairs = Pairs([[0; 4]; 256]);
    pairs.add(KEY);
    pairs.add(ENCODED_KEY);
    pairs.add(WEB_TOKEN);
    let mut at = 0;
    while at < SHAPES.len() {
        pairs.add(SHAPES[at].start);
        at += 1;
    }
    at = 0;
    while at < SCHEMES.len() {
        pairs.add(SCHEMES[at].as_bytes());
        at += 1;
    }
    pairs
};

/// Pairs of bytes: by the first one a bit for each that may follow.
struct Pairs([[u64; 4]; 256]);

impl Pairs {
    const fn add(&mut self, start: &[u8]) {
        self.0[start[0] as usize][start[1] as usize / 64] |= 1 << (start[1] % 64);
    }

    const fn has(&self, first: u8, second: u8) -> bool {
        self.0[first as usize][second as usize / 64] >> (second % 64) & 1 == 1
    }
}

/// A JSON object in base64url: `{"`.
const WEB_TOKEN: &[u8] = b"eyJ";

/// Services whose URLs have passwords.
const SCHEMES: &[&str] = &[
    "postgres://",
    "postgresql://",
    "mysql://",
    "mariadb://",
    "mongodb://",
    "mongodb+srv://",
    "redis://",
    "rediss://",
    "amqp://",
    "amqps://",
];
/// What stands for a password in examples.
const EXAMPLES: &[&str] =
    &["password", "passwd", "pass", "secret", "changeme", "pwd", "example", "root", "admin", "postgres", "guest"];
/// 512 bytes of a URL up to its host.
const MAX_URL: usize = 512;

/// A URL of a data base or a queue with a password in it that is none of an example.
fn url(bytes: &[u8]) -> Option<(&'static str, usize)> {
    let scheme = SCHEMES.iter().find(|scheme| bytes.starts_with(scheme.as_bytes()))?;
    let rest = &bytes[scheme.len()..bytes.len().min(MAX_URL)];
    let end =
        rest.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'/' | b'<' | b'`'));
    let authority = &rest[..end.unwrap_or(rest.len())];
    let at = authority.iter().rposition(|byte| *byte == b'@')?;
    let text = std::str::from_utf8(&authority[..at]).ok()?;
    let (user, password) = text.split_once(':')?;
    let is_filled_in = password.contains(['$', '{', '*', '['])
        || password.starts_with("%s")
        || password.bytes().all(|byte| byte == b'x' || byte == b'X' || byte == b'.');
    let lower = password.to_ascii_lowercase();
    let is_example = EXAMPLES.contains(&lower.as_str()) || password == user || is_filled_in;
    (!password.is_empty() && !is_example).then_some(("password in a URL", scheme.len() + at))
}

/// A signed JSON web token. Source: RFC 7519, three parts of base64url, the first two being JSON objects.
fn jwt(bytes: &[u8]) -> Sight {
    if !bytes.starts_with(WEB_TOKEN) {
        return Sight::Not(0);
    }
    let part = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        &rest[..rest.iter().position(|byte| !(is_word(*byte) || *byte == b'-')).unwrap_or(rest.len())]
    };
    let is_object = |part: &[u8]| part.starts_with(WEB_TOKEN) && part.len() >= 12;
    let has_dot = |at: usize| bytes.get(at) == Some(&b'.');
    let head = part(0);
    // Whatever begins within the first part has the same ones behind it.
    let not = Sight::Not(head.len());
    if !is_object(head) || !has_dot(head.len()) {
        return not;
    }
    let claims = part(head.len() + 1);
    let at = head.len() + 1 + claims.len();
    if !is_object(claims) || !has_dot(at) {
        return not;
    }
    let len = at + 1 + part(at + 1).len();
    match len - at > 20 && len <= MAX_WEB_TOKEN && !has_dot(len) {
        true => Sight::Is("JSON web token", len),
        false => not,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn token(bytes: &[u8]) -> Sight {
    let Some(shape) = SHAPES.iter().find(|shape| bytes.starts_with(shape.start)) else { return Sight::Not(0) };
    let belongs = |byte: u8| match shape.letters {
        Letters::Alphanumeric => byte.is_ascii_alphanumeric(),
        Letters::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        Letters::Url => is_word(byte) || byte == b'-',
        Letters::Dotted => is_word(byte) || byte == b'-' || byte == b'.',
        Letters::Path => is_word(byte) || byte == b'-' || byte == b'/',
    };
    let rest = &bytes[shape.start.len()..];
    // Whoever has a length of its own need not be read further.
    let read = if shape.is_exact { &rest[..rest.len().min(shape.least + 1)] } else { rest };
    let len = read.iter().position(|byte| !belongs(*byte)).unwrap_or(read.len());
    if len < shape.least || (len > shape.least && shape.is_exact) {
        // That has cost nothing, and another may begin in it.
        return Sight::Not(0);
    }
    if len > MAX_TOKEN {
        return Sight::Not(shape.start.len() + len);
    }
    let after = rest.get(len).copied().unwrap_or(b' ');
    let whole = &bytes[..shape.start.len() + len];
    let is_example = whole.windows(7).any(|part| part.eq_ignore_ascii_case(b"example"))
        // `xxxxxxxx` and its like.
        || rest[..len].windows(8).any(|part| part.iter().all(|byte| *byte == part[0]));
    match !is_word(after) && !is_example {
        true => Sight::Is(shape.kind, whole.len()),
        false => Sight::Not(whole.len()),
    }
}

/// A private key in base64, as it stands in Kubernetes' files.
fn encoded_key(bytes: &[u8]) -> Sight {
    if !bytes.starts_with(ENCODED_KEY) {
        return Sight::Not(0);
    }
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(*byte, b'+' | b'/');
    // All of it is the secret; how it begins says that it is one.
    let len = bytes.iter().position(|byte| !belongs(byte)).unwrap_or(bytes.len());
    let six = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut text = Vec::with_capacity(len / 4 * 3);
    for four in bytes[..len.min(MAX_KEY)].chunks_exact(4) {
        let all = four.iter().fold(0, |all, byte| all << 6 | u32::from(six(*byte)));
        text.extend_from_slice(&all.to_be_bytes()[1..]);
    }
    match key(&text) {
        Some((kind, _)) => Sight::Is(kind, len),
        None => Sight::Not(len),
    }
}

/// A private key with its bytes, not just its name.
fn key(bytes: &[u8]) -> Option<(&'static str, usize)> {
    let rest = bytes.strip_prefix(KEY)?;
    let end = rest.iter().take(60).position(|byte| *byte == b'-')?;
    if !rest[..end].ends_with(b"PRIVATE KEY") && !rest[..end].ends_with(b"PRIVATE KEY BLOCK") {
        return None;
    }
    let body = rest.get(end + 5..)?;
    let mut text = body[..body.len().min(MAX_KEY)].to_vec();
    // In JSON newlines are two letters, and the rest of the document stands on the same line.
    for at in 1..text.len() {
        if text[at - 1..=at] == *b"\\n" {
            text[at - 1..=at].copy_from_slice(b"\n\n");
        }
    }
    let until_quote = text.iter().position(|byte| matches!(byte, b'"' | b'\'')).unwrap_or(text.len());
    let letters = text[..until_quote]
        .split(|byte| *byte == b'\n')
        // Headers of old keys.
        .filter(|line| !line.contains(&b':'))
        .flat_map(|line| line.iter())
        .filter(|byte| !matches!(**byte, b'\r' | b' ' | b'\t'))
        .take_while(|byte| is_word(**byte) || matches!(**byte, b'+' | b'/' | b'='))
        .take(LEAST_KEY)
        .count();
    (letters >= LEAST_KEY).then_some(("private key", KEY.len() + end))
}

/// Files whose purpose is to hold credentials, if they do.
fn credentials(path: &str, bytes: &[u8]) -> Option<Leak> {
    let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    let has_login = || ["\"auth\"", "\"identitytoken\"", "\"registrytoken\""].iter().any(|key| has(key));
    let kind = match path.rsplit('/').next().unwrap_or(path) {
        "config.json" if path.contains(".docker/") && has_login() => "credentials of registries",
        "auth.json" if path.contains("containers/") && has_login() => "credentials of registries",
        ".dockercfg" if has("\"auth\"") => "credentials of registries",
        ".npmrc" if has("_authToken=") && !has("_authToken=${") => "npm token",
        ".netrc" if has("password") => "credentials of hosts",
        ".git-credentials" if has("://") && has("@") => "credentials of git",
        ".pypirc" if has("password") => "credentials of PyPI",
        "credentials" if path.contains(".aws/") && has("aws_secret_access_key") => "AWS credentials",
        _ => return None,
    };
    Some(Leak { kind: kind.to_owned(), line: 1, starts: String::new() })
}

/// The first letters: enough to know which it is, too few to use it.
fn start_of(secret: &[u8]) -> String {
    let len = if secret.starts_with(KEY) { secret.len() } else { 8 };
    String::from_utf8_lossy(&secret[..len.min(secret.len())]).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let found = search(path, text.as_bytes());
        let all: Vec<_> = found.iter().map(|leak| format!("{} {} {}", leak.kind, leak.line, leak.starts)).collect();
        assert_eq!(all, expected, "{text}");
    }

    #[test]
    fn well_known_shapes_are_found() {
        // Put together here, so that no scanner takes this file for a leak.
        let github = format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6");
        check("app/.env", &format!("A=1\nTOKEN={github}\n"), &["GitHub token 2 ghp_aB3d"]);
        check("app/.env", &format!("x{github}"), &[]);
        let aws = format!("AKIA{}", "QWERTZUIOPASDFGH");
        check("a", &format!("\"{aws}\""), &["AWS access key 1 AKIAQWER"]);
        check("a", &format!("{aws}X"), &[]);
        check("a", &format!("AKIA{}", "IOSFODNN7EXAMPLE"), &[]);
        check("a", "glpat-xxxxxxxxxxxxxxxxxxxx", &[]);
        let key = format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END", "MIIEpAIBAAKCAQEA".repeat(8));
        check("root/.ssh/id_rsa", &key, &["private key 1 -----BEGIN RSA PRIVATE KEY"]);
        check("README", "write -----BEGIN PRIVATE KEY----- first", &[]);
        check("a", &format!("\0{aws}"), &["AWS access key 1 AKIAQWER"]);
        check("a", &format!("A=1\0B={aws}\0C={aws}\0"), &["AWS access key 1 AKIAQWER", "AWS access key 1 AKIAQWER"]);
        let body = "MIIEpAIBAAKCAQEA".repeat(4);
        let json = format!(
            r#"{{"a":1,"private_key":"-----BEGIN PRIVATE KEY-----\n{body}\n{body}\n-----END PRIVATE KEY-----\n","b":"c:d"}}"#
        );
        check("sa.json", &json, &["private key 1 -----BEGIN PRIVATE KEY"]);
        check("sa.json", r#"{"key":"-----BEGIN PRIVATE KEY-----","text":"MIIEpAIBAAKCAQEA..."}"#, &[]);
        let long = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6aB3dE6gH9jK2";
        check("a", &format!("k=sk-ant-api03-{long}"), &["Anthropic API key 1 sk-ant-a"]);
        check("a", &format!("k=sk-proj-{long}\n"), &["OpenAI API key 1 sk-proj-"]);
        check(
            "a",
            &format!("https://hooks.slack.com/services/T0{}/B0{}/{}", &long[..8], &long[..8], &long[..24]),
            &["Slack webhook 1 https://"],
        );
        check("a", "DATABASE_URL=postgres://app:s3cr3tpw@db:5432/x\n", &["password in a URL 1 postgres"]);
        for example in ["user:password", "postgres:postgres", "app:${DB_PASSWORD}", "app:<password>", "app:xxxx", "app"]
        {
            check("a", &format!("postgres://{example}@db/x"), &[]);
        }
        let jwt = format!("eyJ{}.eyJ{}.{}", &long[..17], &long[..20], &long[..43]);
        check("a", &format!("Bearer {jwt}\n"), &["JSON web token 1 eyJaB3dE"]);
        check("a", &jwt[..40], &[]);
        check("a", &format!("eyJaaaaaaaaaaa.{jwt}"), &["JSON web token 1 eyJaB3dE"]);
        // A key in base64, and a certificate.
        let key = "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpN";
        let body = "SUlFcEFJQkFBS0NBUUVB".repeat(6);
        check("kube", &format!("client-key-data: {key}{body}\n"), &["private key 1 LS0tLS1C"]);
        check("kube", &format!("client-key-data: {key}\n"), &[]);
        check("kube", &format!("ca: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1J{body}\n"), &[]);
    }

    #[test]
    fn what_is_shown_has_only_their_first_letters() {
        let github = format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6");
        assert_eq!(hide("RUN make"), "RUN make");
        assert_eq!(hide(&format!("RUN a={github} b={github} é")), "RUN a=ghp_aB3d… b=ghp_aB3d… é");
        assert_eq!(hide("x postgres://app:s3cr3tpw@db/x"), "x postgres…@db/x");
        let body = "MIIEpAIBAAKCAQEA".repeat(8);
        let key = format!("RUN echo '-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----' > k");
        assert_eq!(hide(&key), "RUN echo '-----BEGIN PRIVATE KEY…-----END PRIVATE KEY-----' > k");
    }

    #[test]
    fn letters_may_have_two_bytes() {
        let aws = format!("a=1\nkey={}{}\n", "AKIA", "QWERTZUIOPASDFGH");
        for (mark, is_big) in [("\u{feff}", false), ("\u{feff}", true), ("", false), ("", true)] {
            let letters = mark.encode_utf16().chain(aws.encode_utf16());
            let bytes: Vec<u8> =
                letters.flat_map(|letter| if is_big { letter.to_be_bytes() } else { letter.to_le_bytes() }).collect();
            assert!(is_text(&bytes));
            let found = search("a", &bytes);
            assert_eq!(found.len(), 1, "{mark:?} {is_big}");
            assert_eq!((found[0].line, found[0].starts.as_str()), (2, "AKIAQWER"));
        }
        assert!(!is_text(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e") && is_text(b"text"));
        assert!(!is_text(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\x01\0\x08\x06") && !is_text(&[0; 64]));
        // Four bytes, and two of them behind a line of others.
        let four: Vec<u8> = aws.chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
        let two: Vec<u8> = aws.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [four, [b"first line\n".repeat(200), two].concat()] {
            assert!(is_text(&bytes[..bytes.len().min(HEAD)]));
            assert_eq!(search("a", &bytes).len(), 1);
        }
    }

    #[test]
    fn refused_runs_are_passed_once() {
        // Each of these has a beginning at every third or fourth byte, and one run of letters.
        let begins = 1 << 18;
        for text in ["-eyJ".repeat(begins), format!("{}.example", "SG.".repeat(begins)), "glpat--".repeat(begins)] {
            assert!(search("a", text.as_bytes()).is_empty());
            assert_eq!(hide(&text), text);
        }
        let keys = format!("-----BEGIN PRIVATE KEY-----\n{}\n", "MIIEpAIBAAKCAQEA".repeat(5)).repeat(5000);
        assert_eq!(hide(&keys), "-----BEGIN PRIVATE KEY…");
        // What comes behind a refused one is found.
        let github = format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6");
        check("a", &format!("{}.example {github}", "SG.".repeat(5000)), &["GitHub token 1 ghp_aB3d"]);
    }

    #[test]
    fn files_of_credentials_are_known_by_name() {
        check("root/.docker/config.json", r#"{"auths":{"r":{"auth":"eA=="}}}"#, &["credentials of registries 1 "]);
        check("root/.docker/config.json", "{}", &[]);
        let with_token = r#"{"auths":{"r":{"identitytoken":"abcdef"}}}"#;
        check("root/.docker/config.json", with_token, &["credentials of registries 1 "]);
        let of_podman = r#"{"auths":{"r":{"auth":"eA=="}}}"#;
        check("run/containers/0/auth.json", of_podman, &["credentials of registries 1 "]);
        check("app/auth.json", of_podman, &[]);
        check("app/config.json", r#"{"auth":1}"#, &[]);
        check("root/.npmrc", "//r/:_authToken=${NPM_TOKEN}", &[]);
        check("root/.git-credentials", "https://a:b@example.com", &["credentials of git 1 "]);
        let searched = ["etc/key", "usr/local/etc/key", "usr/lib/python3/test/key.pem", "var/lib/dpkg/info/a.list"];
        let expected = [Searched::Always, Searched::Always, Searched::IfUnowned, Searched::Never];
        assert_eq!(searched.map(Searched::of_path), expected);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), start in 0..SHAPES.len()) {
            let _ = search(".npmrc", &bytes);
            let _ = search("a", &[SHAPES[start].start, &bytes].concat());
            let _ = search("a", &[KEY, b"PRIVATE KEY-----", &bytes].concat());
        }
    }
}
