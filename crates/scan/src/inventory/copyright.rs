//! Debian's `copyright` files. Source: Debian policy, "Machine-readable debian/copyright file" 1.0.

use std::collections::BTreeSet;

use crate::content::{Content, Result, read_all, text};
use crate::sbom::known_licence;

/// 512 KiB: the longest honest ones, of the kernel, have 200 KiB.
const MAX_BYTES: u64 = 512 << 10;
/// 64 licences of one package.
const MAX_LICENCES: usize = 64;
const COMMON: &str = "/usr/share/common-licenses/";

/// The licences that a `copyright` file names: its `License` fields, as SPDX calls them where it has exactly one of that meaning, or
/// the common ones that it points at. A pointer to a licence's text does not say whether later versions are meant as well.
///
/// # Errors
/// When it is too large or cannot be read.
pub fn licences(content: &dyn Content) -> Result<Vec<String>> {
    let bytes = read_all(content, MAX_BYTES)?;
    let text = text(&bytes);
    let mut found = BTreeSet::new();
    let is_machine_readable =
        text.lines().take(10).any(|line| line.starts_with("Format:") && line.contains("copyright"));
    for line in text.lines() {
        if found.len() >= MAX_LICENCES {
            break;
        }
        if is_machine_readable {
            if let Some(name) = line.strip_prefix("License:").map(str::trim).filter(|name| !name.is_empty()) {
                found.insert(spdx(name).unwrap_or_else(|| name.to_owned()));
            }
            continue;
        }
        for rest in line.split(COMMON).skip(1) {
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && !"-.+".contains(letter));
            let name = rest[..end.unwrap_or(rest.len())].trim_end_matches('.');
            found.extend(Some(name.to_owned()).filter(|name| !name.is_empty()));
        }
    }
    Ok(found.into_iter().collect())
}

/// An expression of SPDX for a `License` field; `None` if a part of it has no name there.
fn spdx(field: &str) -> Option<String> {
    let mut words = field.split_whitespace().peekable();
    let mut found = short(words.next()?)?;
    while let Some(word) = words.next() {
        match word.to_ascii_lowercase().as_str() {
            "with" => {
                let name = words.next()?;
                let (_, id) = EXCEPTIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
                words.next_if(|word| *word == "exception")?;
                found.push_str(&format!(" WITH {id}"));
            }
            "or" => found.push_str(&format!(" OR {}", short(words.next()?)?)),
            "and" => found.push_str(&format!(" AND {}", short(words.next()?)?)),
            _ => return None,
        }
    }
    Some(found)
}

/// Exceptions of which SPDX has one version.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("Classpath", "Classpath-exception-2.0"),
    ("Font", "Font-exception-2.0"),
    ("Libtool", "Libtool-exception"),
    ("Linux-syscall-note", "Linux-syscall-note"),
    ("LLVM", "LLVM-exception"),
];

/// What else is called otherwise than by SPDX. Source: the format's "License specification".
const NAMES: &[(&str, &str)] = &[
    ("apache-2", "Apache-2.0"),
    ("boost-1.0", "BSL-1.0"),
    ("bsl-1", "BSL-1.0"),
    ("cc0", "CC0-1.0"),
    ("efl-1", "EFL-1.0"),
    ("efl-2", "EFL-2.0"),
    ("epl-1", "EPL-1.0"),
    ("epl-2", "EPL-2.0"),
    ("expat", "MIT"),
    ("mpl-2", "MPL-2.0"),
    ("psf-2", "PSF-2.0"),
    ("python-2", "Python-2.0"),
    ("qpl-1", "QPL-1.0"),
    ("sil-1.1", "OFL-1.1"),
    ("wtfpl-2", "WTFPL"),
    ("zope-1.1", "ZPL-1.1"),
    ("zope-2.0", "ZPL-2.0"),
    ("zope-2.1", "ZPL-2.1"),
];

/// Those whose versions may mean later ones as well: with `+`.
const FAMILIES: &[(&str, &str, &[&str])] = &[
    ("agpl-", "AGPL-", &["3.0"]),
    ("gfdl-niv-", "GFDL-no-invariants-", &["1.1", "1.2", "1.3"]),
    ("gfdl-", "GFDL-", &["1.1", "1.2", "1.3"]),
    ("gpl-", "GPL-", &["1.0", "2.0", "3.0"]),
    ("lgpl-", "LGPL-", &["2.0", "2.1", "3.0"]),
];

/// SPDX's identifier for a short name of the format.
fn short(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if let Some((_, id)) = NAMES.iter().find(|(known, _)| *known == lower) {
        return Some((*id).to_owned());
    }
    let bare = lower.trim_end_matches('+');
    for (start, family, versions) in FAMILIES {
        // `.0` at the end means nothing.
        let Some(version) = bare.strip_prefix(start).filter(|version| !version.is_empty()) else { continue };
        let version = if version.contains('.') { version.to_owned() } else { format!("{version}.0") };
        if versions.contains(&version.as_str()) {
            let later = if lower.ends_with('+') { "or-later" } else { "only" };
            return Some(match family.split_once("no-invariants-") {
                Some((family, _)) => format!("{family}{version}-no-invariants-{later}"),
                None => format!("{family}{version}-{later}"),
            });
        }
    }
    known_licence(name).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_expression(text: &str) -> bool {
        crate::sbom::is_expression(text, |name| known_licence(name) == Some(name))
    }

    #[test]
    fn short_names_are_spdx_identifiers_where_there_is_one() {
        for (field, expected) in [
            ("GPL-2+", "GPL-2.0-or-later"),
            ("GPL-2.0", "GPL-2.0-only"),
            ("LGPL-2.1+", "LGPL-2.1-or-later"),
            ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
            ("Expat", "MIT"),
            ("BSD-3-clause", "BSD-3-Clause"),
            ("expat or GPL-3+ and ISC", "MIT OR GPL-3.0-or-later AND ISC"),
            ("zlib", "Zlib"),
            ("Apache-2.0 with LLVM exception or MIT", "Apache-2.0 WITH LLVM-exception OR MIT"),
            ("GPL-2 with Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note"),
        ] {
            assert_eq!(spdx(field).as_deref(), Some(expected), "{field}");
            assert!(is_expression(expected), "others do not know what we say");
        }
        for (_, id) in NAMES {
            assert_eq!(known_licence(id), Some(*id));
        }
        for (start, _, versions) in FAMILIES {
            for version in *versions {
                for name in [format!("{start}{version}"), format!("{start}{version}+")] {
                    let id = short(&name).unwrap();
                    assert_eq!(known_licence(&id), Some(id.as_str()), "{name}");
                }
            }
        }
        for field in [
            "BSD",
            "Artistic",
            "GPL",
            "GPL-4",
            "GPL-2+ with OpenSSL exception",
            "Expat, and ISC",
            "ISC or",
            "Expat with",
            "Expat with LLVM",
            "public-domain",
        ] {
            assert_eq!(spdx(field), None, "{field}");
        }
    }

    #[test]
    fn both_forms_are_read() {
        let new = b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n This is\n\nLicense: Expat\n".to_vec();
        assert_eq!(licences(&new).unwrap(), ["GPL-2.0-or-later", "MIT"]);
        let old =
            b"You find it in `/usr/share/common-licenses/LGPL-2.1'.\nAnd /usr/share/common-licenses/GPL-2.".to_vec();
        assert_eq!(licences(&old).unwrap(), ["GPL-2", "LGPL-2.1"]);
    }
}
