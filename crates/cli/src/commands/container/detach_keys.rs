//! The keys by which a user leaves a terminal without ending what runs in it.

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::Text;

/// `--detach-keys`.
pub(super) const DETACH_KEYS: Text = Text::new("detach-keys", "Override the key sequence for detaching a container");

/// Looks for the keys in what is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DetachKeys {
    sequence: Vec<u8>,
    /// How many of them were typed just now.
    typed: usize,
}

impl DetachKeys {
    /// Those that are `asked` for, of docker's configuration, or `ctrl-p,ctrl-q`.
    ///
    /// # Errors
    /// When they are no keys.
    pub(crate) fn of(cx: &Context, asked: Option<&str>) -> Result<Self> {
        let of_flag = asked.filter(|keys| !keys.is_empty()).map(str::to_owned);
        let keys = of_flag.or_else(|| cx.docker_setting("detachKeys")).filter(|keys| !keys.is_empty());
        Self::parse(keys.as_deref().unwrap_or("ctrl-p,ctrl-q"))
    }

    /// None at all.
    pub(crate) fn none() -> Self {
        Self { sequence: Vec::new(), typed: 0 }
    }

    /// Letters, `ctrl-` with a letter or one of `@[\]^_`, between commas.
    fn parse(text: &str) -> Result<Self> {
        let mut sequence = Vec::new();
        for key in text.split(',') {
            let byte = match (key.strip_prefix("ctrl-"), key.as_bytes()) {
                (Some(rest), _) => match rest.as_bytes() {
                    [byte @ (b'a'..=b'z')] => Some(byte - b'a' + 1),
                    [byte @ (b'@' | b'['..=b'_')] => Some(byte - b'@'),
                    _ => None,
                },
                (None, [byte]) => Some(*byte),
                _ => None,
            };
            sequence.push(byte.ok_or_else(|| Failure::new(format!("invalid detach keys ({text})")))?);
        }
        Ok(Self { sequence, typed: 0 })
    }

    /// What of `input` is for the other side; `None` once the last of the keys was typed. The beginning of the sequence is held
    /// back until it is known to be none.
    pub(crate) fn pass(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(input.len());
        for byte in input {
            if self.sequence.get(self.typed) == Some(byte) {
                self.typed += 1;
                if self.typed == self.sequence.len() {
                    return None;
                }
                continue;
            }
            bytes.extend_from_slice(&self.sequence[..self.typed]);
            self.typed = usize::from(self.sequence.first() == Some(byte));
            if self.typed == 0 {
                bytes.push(*byte);
            }
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_understood() {
        assert_eq!(DetachKeys::parse("ctrl-a,x,ctrl-_").unwrap().sequence, [1, b'x', 31]);
        assert!(DetachKeys::parse("ctrl-1").is_err());
    }

    #[test]
    fn what_only_looked_like_the_sequence_is_passed_on() {
        let mut keys = DetachKeys::parse("ctrl-p,ctrl-q").unwrap();
        assert_eq!(keys.pass(b"a\x10").as_deref(), Some(&b"a"[..]));
        assert_eq!(keys.pass(b"b").as_deref(), Some(&b"\x10b"[..]));
        assert_eq!(keys.pass(b"\x10\x10").as_deref(), Some(&b"\x10"[..]));
        assert_eq!(keys.pass(b"\x11"), None);
        assert_eq!(DetachKeys::none().pass(b"\x10\x11").as_deref(), Some(&b"\x10\x11"[..]));
    }
}
