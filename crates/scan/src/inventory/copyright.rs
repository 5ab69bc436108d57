//! Debian's `copyright` files. Source: Debian policy, "Machine-readable debian/copyright file" 1.0.

use std::collections::BTreeSet;

use crate::content::{Content, Result, read_all, text};

/// 512 KiB: the longest honest ones, of the kernel, have 200 KiB.
const MAX_BYTES: u64 = 512 << 10;
/// 64 licences of one package.
const MAX_LICENCES: usize = 64;
const COMMON: &str = "/usr/share/common-licenses/";

/// The licences that a `copyright` file names: its `License` fields, or the common ones that it points at.
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
                found.insert(name.to_owned());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let new = b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n This is\n\nLicense: Expat\n".to_vec();
        assert_eq!(licences(&new).unwrap(), ["Expat", "GPL-2+"]);
        let old =
            b"You find it in `/usr/share/common-licenses/LGPL-2.1'.\nAnd /usr/share/common-licenses/GPL-2.".to_vec();
        assert_eq!(licences(&old).unwrap(), ["GPL-2", "LGPL-2.1"]);
    }
}
