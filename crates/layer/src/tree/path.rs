//! Names from an archive made plain.

use super::{MAX_NAME, MAX_PATH};

pub(super) const TOO_LONG: &str = "has a name that is longer than Linux allows";

/// Puts the components of `path` into `out`, joined by single slashes: without `.`, with `..` taken away together with
/// what is before it, never above the root. The root itself is empty.
pub(super) fn clean(path: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    out.clear();
    if path.len() > MAX_PATH {
        return Err(TOO_LONG);
    }
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => out.truncate(out.iter().rposition(|&b| b == b'/').unwrap_or(0)),
            _ if part.len() > MAX_NAME => return Err(TOO_LONG),
            _ if part.contains(&0) => return Err("has a NUL in its name"),
            _ => {
                if !out.is_empty() {
                    out.push(b'/');
                }
                out.extend_from_slice(part);
            }
        }
    }
    Ok(())
}

/// Directory and name of a cleaned path.
pub(super) fn split(clean: &[u8]) -> (&[u8], &[u8]) {
    match clean.iter().rposition(|&b| b == b'/') {
        Some(slash) => (&clean[..slash], &clean[slash + 1..]),
        None => (b"", clean),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Result<&str, &'static str>) {
        let mut out = b"left over".to_vec();
        let cleaned = clean(path.as_bytes(), &mut out).map(|()| str::from_utf8(&out).unwrap());
        assert_eq!(cleaned, expected, "{path}");
    }

    #[test]
    fn names_stay_beneath_the_root() {
        check("", Ok(""));
        check("./", Ok(""));
        check("/", Ok(""));
        check("a", Ok("a"));
        check("./a//b/", Ok("a/b"));
        check("/etc/passwd", Ok("etc/passwd"));
        check("../../etc", Ok("etc"));
        check("a/../b", Ok("b"));
        check("a/b/../../../c", Ok("c"));
        check("...", Ok("..."));
        check("a\0b", Err("has a NUL in its name"));
        check(&"x".repeat(255), Ok(&"x".repeat(255)));
        check(&"x".repeat(256), Err(TOO_LONG));
        check(&"x/".repeat(2100), Err(TOO_LONG));
    }

    #[test]
    fn split_takes_the_last_component() {
        assert_eq!(split(b"a"), (&b""[..], &b"a"[..]));
        assert_eq!(split(b"a/b/c"), (&b"a/b"[..], &b"c"[..]));
    }
}
