//! What registries add to their answers for the user to know, each told once.

use std::collections::HashSet;
use std::sync::Mutex;

use ureq::http::HeaderMap;
use wharfie_content::Warning;

/// Warnings gathered until somebody asks.
#[derive(Default)]
pub(crate) struct Warnings(Mutex<Gathered>);

#[derive(Default)]
struct Gathered {
    seen: HashSet<String>,
    waiting: Vec<Warning>,
    /// The lowest count of requests left that is not told yet.
    left: Option<u64>,
    is_limit_told: bool,
}

impl Warnings {
    /// Reads `Warning: 299` and `ratelimit-remaining` of an answer.
    pub(crate) fn note(&self, headers: &HeaderMap) {
        if !headers.contains_key("warning") && !headers.contains_key("ratelimit-remaining") {
            return;
        }
        let mut gathered = self.0.lock().expect("no holder panics");
        for value in headers.get_all("warning").iter().filter_map(|value| value.to_str().ok()) {
            if let Some(text) = text_of(value)
                && gathered.seen.len() < MAX_WARNINGS
                && gathered.seen.insert(text.clone())
            {
                gathered.waiting.push(Warning::Registry(text));
            }
        }
        let remaining = headers.get("ratelimit-remaining").and_then(|value| value.to_str().ok());
        if let Some(left) = remaining.and_then(|text| text.split(';').next()?.trim().parse::<u64>().ok())
            && left < FEW
        {
            gathered.left = Some(gathered.left.map_or(left, |known| known.min(left)));
        }
    }

    /// What was gathered since the last call.
    pub(crate) fn take(&self) -> Vec<Warning> {
        let mut gathered = self.0.lock().expect("no holder panics");
        let mut taken = std::mem::take(&mut gathered.waiting);
        if let Some(remaining) = gathered.left.take()
            && !std::mem::replace(&mut gathered.is_limit_told, true)
        {
            taken.push(Warning::RateLimit { remaining });
        }
        taken
    }
}

/// The text of `299 - "text"`; other codes are for caches. Source: distribution-spec, "Warnings".
fn text_of(value: &str) -> Option<String> {
    let rest = value.trim().strip_prefix("299 ")?;
    let quoted = rest[rest.find('"')? + 1..].trim_end().strip_suffix('"')?;
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Some(text)
}

/// 32: a registry with more to say than that is not read.
const MAX_WARNINGS: usize = 32;
/// Below this many requests left it is worth a word.
const FEW: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_warning_is_told_once() {
        let warnings = Warnings::default();
        let mut headers = HeaderMap::new();
        headers.append("warning", r#"299 - "old \"thing\"""#.parse().unwrap());
        headers.append("warning", r#"110 - "stale""#.parse().unwrap());
        headers.append("ratelimit-remaining", "7;w=21600".parse().unwrap());
        warnings.note(&headers);
        warnings.note(&headers);
        let expected = [Warning::Registry("old \"thing\"".to_owned()), Warning::RateLimit { remaining: 7 }];
        assert_eq!(warnings.take(), expected);
        warnings.note(&headers);
        assert_eq!(warnings.take(), []);
    }

    #[test]
    fn plenty_is_no_warning() {
        let warnings = Warnings::default();
        let mut headers = HeaderMap::new();
        headers.append("ratelimit-remaining", "76;w=21600".parse().unwrap());
        headers.append("warning", "299".parse().unwrap());
        warnings.note(&headers);
        assert_eq!(warnings.take(), []);
    }
}
