//! Paths as Go's `path` package knows them, which docker's tools are written with.

/// A path without `.`, `..` and doubled slashes, as Go's `path.Clean`. What is empty is `.`.
pub fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    match (is_absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        let check = |path: &str, expected: &str| assert_eq!(clean(path), expected, "{path}");
        check("", ".");
        check("/", "/");
        check("/../a", "/a");
        check("../../a/..", "../..");
        check("a//b/./c/..", "a/b");
        check("./a/", "a");
        check("a/..", ".");
    }
}
