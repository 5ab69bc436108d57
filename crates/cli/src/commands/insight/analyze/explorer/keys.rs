//! Keys out of what a terminal sends.

/// A key, or several at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Tab,
    Enter,
    Escape,
    Backspace,
    /// With the control key; blank is `@`.
    Control(char),
    Char(char),
}

/// The keys in what was read at once. What is none is left out.
pub(super) fn keys(mut bytes: &[u8]) -> Vec<Key> {
    const SEQUENCES: &[(&[u8], Key)] = &[
        (b"\x1b[A", Key::Up),
        (b"\x1b[B", Key::Down),
        (b"\x1b[C", Key::Right),
        (b"\x1b[D", Key::Left),
        (b"\x1bOA", Key::Up),
        (b"\x1bOB", Key::Down),
        (b"\x1bOC", Key::Right),
        (b"\x1bOD", Key::Left),
        (b"\x1b[5~", Key::PageUp),
        (b"\x1b[6~", Key::PageDown),
    ];
    let mut found = Vec::new();
    while let Some(first) = bytes.first() {
        if let Some((sequence, key)) = SEQUENCES.iter().find(|(sequence, _)| bytes.starts_with(sequence)) {
            found.push(*key);
            bytes = &bytes[sequence.len()..];
            continue;
        }
        let mut len = 1;
        match first {
            b'\t' => found.push(Key::Tab),
            b'\r' | b'\n' => found.push(Key::Enter),
            0x7f | 0x08 => found.push(Key::Backspace),
            0x1b if bytes.len() > 1 && matches!(bytes[1], b'[' | b'O') => {
                // A sequence that we do not know, to its end.
                let end = bytes[2..].iter().position(|byte| (0x40..0x7f).contains(byte));
                len = end.map_or(bytes.len(), |end| end + 3);
            }
            0x1b => found.push(Key::Escape),
            control @ 0..0x20 => found.push(Key::Control(char::from(control + 0x40).to_ascii_lowercase())),
            _ => {
                let text = bytes.utf8_chunks().next().map(|chunk| chunk.valid()).unwrap_or_default();
                if let Some(character) = text.chars().next() {
                    found.push(Key::Char(character));
                    len = character.len_utf8();
                }
            }
        }
        bytes = &bytes[len..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read() {
        assert_eq!(
            keys(b"q\t\x1b[A\x1b[6~\x1bOB\x01\x00 \x7f\r"),
            [
                Key::Char('q'),
                Key::Tab,
                Key::Up,
                Key::PageDown,
                Key::Down,
                Key::Control('a'),
                Key::Control('@'),
                Key::Char(' '),
                Key::Backspace,
                Key::Enter
            ]
        );
        assert_eq!(keys("é\u{1b}".as_bytes()), [Key::Char('é'), Key::Escape]);
        assert_eq!(keys(b"\x1b[1;5Cx\xff"), [Key::Char('x')]);
    }
}
