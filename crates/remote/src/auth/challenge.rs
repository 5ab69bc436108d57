//! `WWW-Authenticate`: what a registry wants to see. Source: RFC 9110, section 11.6.1.

use ureq::http::HeaderMap;

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// In lower case.
    pub(crate) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter's value; names are compared without case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }
}

/// All challenges of an answer, over all its headers, in order. What cannot be read is skipped.
pub(crate) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    headers
        .get_all("www-authenticate")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .take(MAX_HEADERS)
        .flat_map(parse)
        .collect()
}

/// Schemes and parameters of one header; for the fuzz target, which feeds it anything.
pub fn read(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    parse(text).into_iter().map(|challenge| (challenge.scheme, challenge.parameters)).collect()
}

/// The challenges of one header: several may stand in it, told apart from parameters by having no `=`.
fn parse(text: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() && found.len() < MAX_CHALLENGES {
        let (word, after) = token(rest);
        if word.is_empty() {
            // Nothing that may stand here: go on behind the next comma.
            rest = rest.find(',').map_or("", |at| &rest[at..]).trim_start_matches([' ', '\t', ',']);
            continue;
        }
        let blanks = after.trim_start_matches([' ', '\t']);
        match (blanks.strip_prefix('='), found.last_mut()) {
            (Some(value), Some(challenge)) => {
                let (value, after) = parameter_value(value.trim_start_matches([' ', '\t']));
                challenge.parameters.push((word.to_ascii_lowercase(), value));
                rest = after;
            }
            (Some(value), None) => rest = parameter_value(value).1,
            (None, _) => {
                found.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
                rest = blanks;
            }
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    found
}

fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// A quoted string, backslashes undone, or everything up to the next comma or blank.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([',', ' ', '\t']).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

/// 8: an honest registry sends one or two.
const MAX_HEADERS: usize = 8;
const MAX_CHALLENGES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        for challenge in parse(text) {
            out.push_str(&challenge.scheme);
            for (key, value) in &challenge.parameters {
                out.push_str(&format!(" {key}=<{value}>"));
            }
            out.push(';');
        }
        out
    }

    #[test]
    fn challenges_are_read_however_they_are_written() {
        fn check(text: &str, expected: &str) {
            assert_eq!(shown(text), expected, "{text}");
        }
        check(r#"Basic realm="r""#, "basic realm=<r>;");
        check(
            r#"Bearer realm="https://t/x?a=b",service="s",scope="repository:a/b:pull,push""#,
            "bearer realm=<https://t/x?a=b> service=<s> scope=<repository:a/b:pull,push>;",
        );
        check(r#"BEARER Realm = "r" , Error = invalid_token"#, "bearer realm=<r> error=<invalid_token>;");
        check(r#"Basic realm="a, b", Bearer realm="c""#, "basic realm=<a, b>;bearer realm=<c>;");
        check(r"Negotiate, Basic realm=x", "negotiate;basic realm=<x>;");
        check(r#"Basic realm="say \"hi\"""#, r#"basic realm=<say "hi">;"#);
        check(r#"Bearer realm="never ends"#, "bearer realm=<never ends>;");
        check(r#", ,Basic realm="r","#, "basic realm=<r>;");
        check(r#"realm="no scheme""#, "");
        check("", "");
        check("=,=,=\"", "");
        check("Bearer é, Basic realm=r", "bearer;basic realm=<r>;");
    }

    #[test]
    fn several_headers_add_up() {
        let mut headers = HeaderMap::new();
        headers.append("www-authenticate", r#"Basic realm="r""#.parse().unwrap());
        headers.append("www-authenticate", r#"Bearer realm="t""#.parse().unwrap());
        let found = challenges(&headers);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].parameter("realm"), Some("t"));
    }

    #[test]
    fn no_text_makes_it_panic_or_run_on() {
        let pieces = ["Bearer", " ", "=", "\"", "\\", ",", "realm", "é", "\t", "a=b", "\"x\"", ""];
        let mut state = 1_u32;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text += pieces[(state >> 16) as usize % pieces.len()];
            }
            assert!(parse(&text).len() <= MAX_CHALLENGES, "{text}");
        }
    }
}
