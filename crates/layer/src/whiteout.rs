//! Names that delete: how a layer says that something below it is gone.
//! Source: image-spec, layer.md, "Whiteouts"; the `.wh..wh.` names are aufs's own book-keeping in very old images.

/// What the last component of an entry's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whiteout<'a> {
    /// `.wh.NAME`: NAME of the layers below is not seen any more.
    Remove(&'a [u8]),
    /// `.wh..wh..opq`: nothing of this directory in the layers below is seen.
    Opaque,
    /// `.wh..wh.*`: metadata of aufs, to be ignored.
    Metadata,
    /// `.wh.` followed by nothing, `.` or `..`: names no file that could be removed.
    Invalid,
}

/// Tells what `name`, one component of a path, removes; `None` for the name of an ordinary file.
pub fn classify(name: &[u8]) -> Option<Whiteout<'_>> {
    let rest = name.strip_prefix(PREFIX)?;
    Some(match rest {
        b".wh..opq" => Whiteout::Opaque,
        b"" | b"." | b".." => Whiteout::Invalid,
        _ if rest.starts_with(PREFIX) => Whiteout::Metadata,
        _ => Whiteout::Remove(rest),
    })
}

const PREFIX: &[u8] = b".wh.";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<Whiteout<'_>>) {
        assert_eq!(classify(name.as_bytes()), expected, "{name}");
    }

    #[test]
    fn ordinary_names_remove_nothing() {
        check("a", None);
        check("", None);
        check(".wh", None);
        check("a.wh.b", None);
        check(".who", None);
    }

    #[test]
    fn whiteouts_name_what_they_remove() {
        check(".wh.a", Some(Whiteout::Remove(b"a")));
        check(".wh.wh.a", Some(Whiteout::Remove(b"wh.a")));
        check(".wh....", Some(Whiteout::Remove(b"...")));
    }

    #[test]
    fn reserved_names() {
        check(".wh..wh..opq", Some(Whiteout::Opaque));
        check(".wh..wh.plnk", Some(Whiteout::Metadata));
        check(".wh..wh..opq2", Some(Whiteout::Metadata));
        check(".wh.", Some(Whiteout::Invalid));
        check(".wh..", Some(Whiteout::Invalid));
        check(".wh...", Some(Whiteout::Invalid));
    }
}
