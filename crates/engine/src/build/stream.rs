//! Contexts that come as a stream or by an address: told apart by what they are.

use std::io::{self, Cursor, Read};

use wharfie_layer::compression::Compression;
use wharfie_layer::tar;

/// What a stream is.
pub enum Streamed {
    /// A tar, plain or compressed: a context.
    Archive(Box<dyn Read + Send>),
    /// Anything else: a Dockerfile.
    Text(Vec<u8>),
}

/// Tells an archive from a Dockerfile by its first bytes.
///
/// # Errors
/// When it cannot be read, or is neither.
pub fn tell(mut stream: Box<dyn Read + Send>) -> io::Result<Streamed> {
    let mut head = vec![0; tar::BLOCK];
    let n = wharfie_layer::fill(&mut stream, &mut head)?;
    head.truncate(n);
    if Compression::detect(&head) != Compression::None || (n == tar::BLOCK && tar::is_header(&head)) {
        return Ok(Streamed::Archive(Box::new(Cursor::new(head).chain(stream))));
    }
    stream.take(MAX_DOCKERFILE).read_to_end(&mut head)?;
    match head.len() as u64 > MAX_DOCKERFILE {
        true => Err(io::Error::other("it is neither a tar nor a Dockerfile")),
        false => Ok(Streamed::Text(head)),
    }
}

/// 2 MiB.
const MAX_DOCKERFILE: u64 = 2 << 20;

/// How the place of a context is to be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A git repository.
    Git(String),
    /// A file on the web.
    Web(String),
    /// A path of this machine.
    Path,
}

/// What docker takes for a repository and what for a web address.
pub fn address(text: &str) -> Address {
    let is_web = text.starts_with("http://") || text.starts_with("https://");
    let path = text.split(['#', '?']).next().unwrap_or_default();
    if (is_web && path.ends_with(".git")) || ["git://", "ssh://", "git@"].iter().any(|start| text.starts_with(start)) {
        return Address::Git(text.to_owned());
    }
    if text.starts_with("github.com/") {
        return Address::Git(format!("https://{text}"));
    }
    if is_web { Address::Web(text.to_owned()) } else { Address::Path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        let git = |text: &str| Address::Git(text.to_owned());
        assert_eq!(address("https://host/a.git#main:sub"), git("https://host/a.git#main:sub"));
        assert_eq!(address("git@host:a/b"), git("git@host:a/b"));
        assert_eq!(address("github.com/a/b"), git("https://github.com/a/b"));
        assert_eq!(address("https://host/a.tar.gz"), Address::Web("https://host/a.tar.gz".to_owned()));
        for path in [".", "dir.git", "git", "/a"] {
            assert_eq!(address(path), Address::Path, "{path}");
        }
    }

    #[test]
    fn a_dockerfile_is_no_archive() {
        let told = |bytes: &'static [u8]| tell(Box::new(bytes)).unwrap();
        assert!(matches!(told(b"FROM scratch\n"), Streamed::Text(text) if text == b"FROM scratch\n"));
        assert!(matches!(told(b""), Streamed::Text(_)));
        assert!(matches!(told(b"\x1f\x8b\x08\x00rest"), Streamed::Archive(_)));
    }
}
