//! Licences as SPDX names them. Source: SPDX specification 2.3, annex D.

use std::collections::{BTreeMap, HashMap};

use crate::package::Extracted;

/// The identifiers that packages state most; what is not here is told as a text.
const KNOWN: &[&str] = &[
    "0BSD",
    "AFL-2.0",
    "AFL-2.1",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-1.0",
    "Artistic-1.0-Perl",
    "Artistic-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-4-Clause",
    "BSD-4-Clause-UC",
    "BSL-1.0",
    "Beerware",
    "BlueOak-1.0.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "CDDL-1.0",
    "CDDL-1.1",
    "CPL-1.0",
    "EFL-1.0",
    "EFL-2.0",
    "EPL-1.0",
    "EPL-2.0",
    "FSFAP",
    "FSFUL",
    "FSFULLR",
    "FTL",
    "GFDL-1.1-no-invariants-only",
    "GFDL-1.1-no-invariants-or-later",
    "GFDL-1.1-only",
    "GFDL-1.1-or-later",
    "GFDL-1.2-no-invariants-only",
    "GFDL-1.2-no-invariants-or-later",
    "GFDL-1.2-only",
    "GFDL-1.2-or-later",
    "GFDL-1.3-no-invariants-only",
    "GFDL-1.3-no-invariants-or-later",
    "GFDL-1.3-only",
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
    "LPPL-1.3c",
    "Latex2e",
    "Libpng",
    "MIT",
    "MIT-0",
    "MPL-1.0",
    "MPL-1.1",
    "MPL-2.0",
    "NCSA",
    "OFL-1.1",
    "OLDAP-2.8",
    "OpenSSL",
    "PHP-3.01",
    "PSF-2.0",
    "PostgreSQL",
    "Python-2.0",
    "QPL-1.0",
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
    "ZPL-1.1",
    "ZPL-2.0",
    "ZPL-2.1",
    "Zlib",
    "blessing",
    "bzip2-1.0.6",
    "curl",
];

/// Exceptions that are added to those most.
const EXCEPTIONS: &[&str] = &[
    "Autoconf-exception-2.0",
    "Autoconf-exception-3.0",
    "Bison-exception-2.2",
    "Classpath-exception-2.0",
    "Font-exception-2.0",
    "GCC-exception-2.0",
    "GCC-exception-3.1",
    "LLVM-exception",
    "Libtool-exception",
    "Linux-syscall-note",
];

/// The identifier that SPDX has for a name, however it is spelled.
pub(crate) fn known_licence(name: &str) -> Option<&'static str> {
    KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name)).copied()
}

/// True for an identifier that SPDX has.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// True for an expression of identifiers for which `is_name` holds.
pub(crate) fn is_expression(text: &str, is_name: impl Fn(&str) -> bool) -> bool {
    // What comes next: a name, or what joins it to another; and whether an exception may follow.
    let (mut wants_name, mut may_except, mut depth) = (true, false, 0_usize);
    let mut tokens = tokens(text);
    while let Some(token) = tokens.next() {
        match token {
            "(" if wants_name => depth += 1,
            ")" if !wants_name && depth > 0 => (depth, may_except) = (depth - 1, false),
            "AND" | "OR" if !wants_name => wants_name = true,
            "WITH" if may_except => {
                if !tokens.next().is_some_and(|exception| EXCEPTIONS.contains(&exception)) {
                    return false;
                }
                may_except = false;
            }
            name if wants_name && is_name(name) => (wants_name, may_except) = (false, true),
            _ => return false,
        }
    }
    !wants_name && depth == 0
}

/// Words and parentheses.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split_whitespace();
    words.flat_map(|word| word.split_inclusive(['(', ')'])).flat_map(|piece| {
        let (word, end) = piece.split_at(piece.trim_end_matches(['(', ')']).len());
        [word, end].into_iter().filter(|token| !token.is_empty())
    })
}

/// The parts that are joined by `AND`, as long as no `OR` stands beside them, without parentheses around each.
pub(super) fn parts(text: &str) -> Vec<String> {
    let (mut all, mut depth) = (vec![Vec::new()], 0_usize);
    for token in tokens(text) {
        match token {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "OR" if depth == 0 => return vec![text.trim().to_owned()],
            "AND" if depth == 0 => {
                all.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = all.last_mut() {
            part.push(token);
        }
    }
    all.into_iter().map(|part| joined(bare(&part))).filter(|part| !part.is_empty()).collect()
}

/// Tokens without parentheses that are around all of them.
fn bare<'a, 'b>(part: &'b [&'a str]) -> &'b [&'a str] {
    let ["(", inner @ .., ")"] = part else { return part };
    let mut depth = 0_usize;
    for token in inner {
        match *token {
            "(" => depth += 1,
            ")" if depth == 0 => return part,
            ")" => depth -= 1,
            _ => {}
        }
    }
    inner
}

fn joined(tokens: &[&str]) -> String {
    tokens.join(" ").replace("( ", "(").replace(" )", ")")
}

/// The name of our own under which a licence is referred to that SPDX does not have.
pub(super) fn own_name(licence: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    let name: String = licence.chars().map(letter).take(100).collect();
    format!("{REFERENCE}{name}")
}

/// How names of licences begin that a document explains itself.
pub(super) const REFERENCE: &str = "LicenseRef-";

/// The licences of a document that it has to explain.
pub(super) struct References<'a> {
    known: &'a BTreeMap<String, Extracted>,
    names: HashMap<String, String>,
    /// How often a name was given; different licences may have one.
    given: HashMap<String, usize>,
    /// Those that were referred to, by name.
    pub(super) used: BTreeMap<String, Extracted>,
}

impl<'a> References<'a> {
    /// Of an inventory in which `known` are explained.
    pub(super) fn new(known: &'a BTreeMap<String, Extracted>) -> Self {
        Self { known, names: HashMap::new(), given: HashMap::new(), used: BTreeMap::new() }
    }

    /// An expression for what a package states.
    pub(super) fn expression(&mut self, stated: &[String]) -> String {
        let parts: Vec<String> = stated.iter().map(|licence| self.of(licence, stated.len() > 1)).collect();
        if parts.is_empty() { "NOASSERTION".to_owned() } else { parts.join(" AND ") }
    }

    fn of(&mut self, licence: &str, is_part: bool) -> String {
        if !is_expression(licence, |name| is_known(name) || self.known.contains_key(name)) {
            return self.named(licence);
        }
        for name in tokens(licence) {
            if let Some(extracted) = self.known.get(name) {
                self.used.entry(name.to_owned()).or_insert_with(|| extracted.clone());
            }
        }
        let is_joined = tokens(licence).any(|token| matches!(token, "AND" | "OR"));
        if is_part && is_joined { format!("({licence})") } else { licence.to_owned() }
    }

    fn named(&mut self, licence: &str) -> String {
        if let Some(name) = self.names.get(licence) {
            return name.clone();
        }
        let own = own_name(licence);
        let count = self.given.entry(own.clone()).or_default();
        let mut name = own.clone();
        loop {
            *count += 1;
            if *count > 1 {
                name = format!("{own}-{count}");
            }
            if !self.known.contains_key(&name) && !self.used.contains_key(&name) {
                break;
            }
        }
        self.names.insert(licence.to_owned(), name.clone());
        self.used.insert(name.clone(), Extracted { name: licence.to_owned(), text: licence.to_owned() });
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(stated: &[&str]) -> Vec<String> {
        stated.iter().map(|text| (*text).to_owned()).collect()
    }

    #[track_caller]
    fn check(licences: &[&str], expected: &str) {
        assert_eq!(References::new(&BTreeMap::new()).expression(&stated(licences)), expected);
    }

    #[test]
    fn what_spdx_knows_is_said_in_its_words() {
        check(&[], "NOASSERTION");
        check(&["MIT"], "MIT");
        check(&["MIT OR Apache-2.0"], "MIT OR Apache-2.0");
        check(&["MIT OR Apache-2.0", "ISC"], "(MIT OR Apache-2.0) AND ISC");
        check(&["MIT AND (ISC OR Zlib)"], "MIT AND (ISC OR Zlib)");
        check(
            &["GPL-2.0-or-later WITH Classpath-exception-2.0", "MIT"],
            "GPL-2.0-or-later WITH Classpath-exception-2.0 AND MIT",
        );
        check(&["GPL-2+ with exceptions"], "LicenseRef-GPL-2--with-exceptions");
        for odd in ["MIT OR", "(MIT", "MIT)", "MIT ISC", "MIT WITH x", "(MIT) WITH LLVM-exception", "()", "OR MIT"] {
            check(&[odd], &own_name(odd));
        }
    }

    #[test]
    fn different_licences_have_different_names() {
        let known =
            BTreeMap::from([("LicenseRef-a-".to_owned(), Extracted { name: "A".to_owned(), text: "all".to_owned() })]);
        let mut references = References::new(&known);
        let expression = references.expression(&stated(&["a!", "a?", "a!", "MIT OR LicenseRef-a-"]));
        assert_eq!(expression, "LicenseRef-a--2 AND LicenseRef-a--3 AND LicenseRef-a--2 AND (MIT OR LicenseRef-a-)");
        let texts: Vec<_> = references.used.values().map(|extracted| extracted.text.as_str()).collect();
        assert_eq!(texts, ["all", "a!", "a?"]);
    }

    #[test]
    fn expressions_are_taken_apart_where_all_holds() {
        for (text, expected) in [
            ("MIT", &["MIT"][..]),
            ("(MIT OR Apache-2.0) AND ISC", &["MIT OR Apache-2.0", "ISC"]),
            ("((MIT OR (ISC AND Zlib)))", &["(MIT OR (ISC AND Zlib))"]),
            ("(MIT) AND (ISC)", &["MIT", "ISC"]),
            ("MIT AND ISC OR Zlib", &["MIT AND ISC OR Zlib"]),
            ("(A) OR (B)", &["(A) OR (B)"]),
            (" AND ", &[]),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }
}
