//! Licences as SPDX names them. Source: SPDX specification 2.3, annex D.

/// The identifiers that packages state most; what is not here is told as a text.
const KNOWN: &[&str] = &[
    "0BSD",
    "AFL-2.1",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-1.0",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-4-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "CDDL-1.0",
    "CDDL-1.1",
    "EPL-1.0",
    "EPL-2.0",
    "FSFAP",
    "FTL",
    "GFDL-1.2-or-later",
    "GFDL-1.3-or-later",
    "GPL-1.0-only",
    "GPL-1.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "ICU",
    "IJG",
    "ISC",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "Libpng",
    "MIT",
    "MIT-0",
    "MPL-1.1",
    "MPL-2.0",
    "NCSA",
    "OFL-1.1",
    "OpenSSL",
    "PHP-3.01",
    "PSF-2.0",
    "PostgreSQL",
    "Python-2.0",
    "Ruby",
    "SMLNJ",
    "TCL",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Vim",
    "W3C",
    "WTFPL",
    "X11",
    "ZPL-2.1",
    "Zlib",
    "blessing",
    "bzip2-1.0.6",
    "curl",
];

/// True for an identifier that SPDX has.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// An expression for what a package states, and the texts that it refers to by a name of our own.
pub(super) fn expression(stated: &[String]) -> (String, Vec<(String, String)>) {
    let (mut parts, mut texts) = (Vec::new(), Vec::new());
    for licence in stated {
        let words: Vec<&str> = licence.split([' ', '(', ')']).filter(|word| !word.is_empty()).collect();
        let is_expression = !words.is_empty()
            && words.len() % 2 == 1
            && !licence.contains(['(', ')'])
            && words
                .iter()
                .enumerate()
                .all(|(n, word)| if n % 2 == 0 { is_known(word) } else { matches!(*word, "AND" | "OR") });
        if is_expression {
            parts.push(if words.len() > 1 && stated.len() > 1 { format!("({licence})") } else { licence.clone() });
        } else {
            let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
            let name: String = licence.chars().map(letter).take(100).collect();
            let name = format!("LicenseRef-{name}");
            texts.push((name.clone(), licence.clone()));
            parts.push(name);
        }
    }
    match parts.is_empty() {
        true => ("NOASSERTION".to_owned(), texts),
        false => (parts.join(" AND "), texts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stated: &[&str], expected: &str) {
        let stated: Vec<String> = stated.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(expression(&stated).0, expected);
    }

    #[test]
    fn what_spdx_knows_is_said_in_its_words() {
        check(&[], "NOASSERTION");
        check(&["MIT"], "MIT");
        check(&["MIT OR Apache-2.0"], "MIT OR Apache-2.0");
        check(&["MIT OR Apache-2.0", "ISC"], "(MIT OR Apache-2.0) AND ISC");
        check(&["GPL-2+ with exceptions"], "LicenseRef-GPL-2--with-exceptions");
        check(&["MIT OR"], "LicenseRef-MIT-OR");
    }
}
