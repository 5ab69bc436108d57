//! PEM: bytes in base64 between two lines, with headers such as docker's `role`. Source: RFC 7468, and RFC 1421 for headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What stands after `BEGIN`.
    pub label: String,
    /// `name: value` lines before the bytes.
    pub headers: Vec<(String, String)>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Block {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The first block of `text`. Whatever stands before it is passed over, as everybody does. `None` if there is none, or it is broken.
pub fn read(text: &str) -> Option<Block> {
    let mut lines = text.lines().map(str::trim_end);
    let label = lines.find_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))?;
    let end = format!("-----END {label}-----");
    let (mut headers, mut body) = (Vec::new(), String::new());
    loop {
        let line = lines.next()?;
        if line == end {
            break;
        }
        match line.split_once(": ") {
            Some((name, value)) if body.is_empty() => headers.push((name.to_owned(), value.to_owned())),
            Some(_) => return None,
            None => body.push_str(line),
        }
    }
    let bytes = STANDARD.decode(body).ok()?;
    Some(Block { label: label.to_owned(), headers, bytes })
}

/// All blocks of `text`, up to the first that is broken.
pub fn read_all(text: &str) -> Vec<Block> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(block) = read(rest) {
        let end = format!("-----END {}-----", block.label);
        rest = rest.split_once(&end).map_or("", |(_, rest)| rest);
        found.push(block);
    }
    found
}

/// The text of a block, in lines of 64 characters.
pub fn write(block: &Block) -> String {
    let Block { label, headers, bytes } = block;
    let mut text = format!("-----BEGIN {label}-----\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    if !headers.is_empty() {
        text.push('\n');
    }
    let encoded = STANDARD.encode(bytes);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// 64 characters a line (RFC 7468, section 2).
const LINE: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in prop::collection::vec(any::<u8>(), 0..300), name in "[a-z][a-z0-9_-]{0,9}") {
            let headers = vec![("role".to_owned(), name)];
            let block = Block { label: "PUBLIC KEY".to_owned(), headers, bytes };
            prop_assert_eq!(read(&write(&block)), Some(block));
        }
    }

    #[test]
    fn broken_blocks_are_none() {
        fn check(text: &str) {
            assert_eq!(read(text), None, "{text:?}");
        }
        check("");
        check("-----BEGIN PUBLIC KEY-----\n");
        check("-----BEGIN A-----\nAAAA\n-----END B-----\n");
        check("-----BEGIN A-----\nAAA!\n-----END A-----\n");
        check("-----BEGIN A-----\nAAAA\nrole: late\n-----END A-----\n");
    }

    #[test]
    fn text_before_a_block_and_other_line_ends_do_not_matter() {
        let found = read("# my key\r\n-----BEGIN A-----\r\nrole: ada\r\n\r\nAQID\r\n-----END A-----\r\n").unwrap();
        assert_eq!((found.bytes.as_slice(), found.header("role")), (&[1, 2, 3][..], Some("ada")));
    }
}
