//! `.dive-ci`: the rules of a pipeline, as dive's users have them beside their Dockerfiles.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use wharfie_scan::analysis::rules::Rules;

use crate::failure::{Failure, Result};

#[derive(Debug, Default, Deserialize)]
struct Contents {
    #[serde(default)]
    rules: Option<BTreeMap<String, Value>>,
}

/// What a rule is set to, as text; nothing for `null`.
#[derive(Debug)]
struct Value(Option<String>);

/// 64 KiB: three rules and what is said about them.
const MAX_BYTES: u64 = 64 << 10;

/// Which file has the rules.
pub(super) enum Place<'a> {
    /// The one that is looked for where nobody named one; there need not be any.
    Usual(&'a Path),
    /// One that was named.
    Named(&'a Path),
}

/// The rules: those that were given by flags, else those of the file if there is one, else dive's own.
pub(super) fn read(place: &Place<'_>, given: [(&str, Option<&str>); 3]) -> Result<Rules> {
    let (Place::Usual(path) | Place::Named(path)) = place;
    let failed = |why: &dyn fmt::Display| Failure::new(format!("cannot read {}: {why}", path.display()));
    let mut rules = Rules::default();
    match std::fs::File::open(path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(MAX_BYTES).read_to_string(&mut text).map_err(|why| failed(&why))?;
            apply(&text, &mut rules).map_err(|why| failed(&why))?;
        }
        // Who mistypes its name is not held to other rules in silence.
        Err(why) if matches!(place, Place::Usual(_)) && why.kind() == std::io::ErrorKind::NotFound => {}
        Err(why) => return Err(failed(&why)),
    }
    for (name, value) in given {
        if let Some(value) = value {
            rules.set(name, value);
        }
    }
    match rules.problems().as_slice() {
        [] => Ok(rules),
        problems => {
            let help = "a rule is a number, a size such as 20MB for bytes, or \"disabled\"".to_owned();
            Err(Failure::new(problems.join("\n")).help(Some(help)))
        }
    }
}

/// Sets what the file's text says.
fn apply(text: &str, rules: &mut Rules) -> std::result::Result<(), String> {
    let options = serde_saphyr::options! { with_snippet: false };
    let contents: Option<Contents> =
        serde_saphyr::from_str_with_options(text, options).map_err(|why| why.to_string())?;
    for (name, value) in contents.and_then(|contents| contents.rules).unwrap_or_default() {
        if let Some(value) = value.0
            && !rules.set(&name, &value)
        {
            let known = "lowestEfficiency, highestWastedBytes and highestUserWastedPercent";
            return Err(format!("there is no rule {name:?}: there are {known}"));
        }
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = Value;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a number, a size or \"disabled\"")
            }

            fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
                Ok(Value(Some(value.to_string())))
            }

            fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
                Ok(Value(Some(value.to_string())))
            }

            fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
                Ok(Value(Some(value.to_string())))
            }

            fn visit_f64<E>(self, value: f64) -> std::result::Result<Value, E> {
                Ok(Value(Some(value.to_string())))
            }

            fn visit_str<E>(self, value: &str) -> std::result::Result<Value, E> {
                Ok(Value(Some(value.to_owned())))
            }

            fn visit_unit<E>(self) -> std::result::Result<Value, E> {
                Ok(Value(None))
            }
        }
        deserializer.deserialize_any(Scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: [&str; 3]) {
        let mut rules = Rules::default();
        apply(text, &mut rules).unwrap();
        let told = [rules.lowest_efficiency, rules.highest_wasted_bytes, rules.highest_user_wasted_percent];
        assert_eq!(told, expected, "{text}");
    }

    #[test]
    fn files_are_read_as_dive_does() {
        check("", ["0.9", "disabled", "0.1"]);
        check("# nothing\nrules:\n", ["0.9", "disabled", "0.1"]);
        check(
            "rules:\n  # as a ratio\n  lowestEfficiency: 0.95\n  highestWastedBytes: 20MB\n  highestUserWastedPercent: \"0.20\"\n",
            ["0.95", "20MB", "0.20"],
        );
        check("rules: {lowest-efficiency: 1, highestUserWastedPercent: disabled}", ["1", "disabled", "disabled"]);
        check(
            "rules:\n  highestWastedBytes: 1048576\n  lowestEfficiency: false\nother: [1]\n",
            ["false", "1048576", "0.1"],
        );
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let why = |text: &str| apply(text, &mut Rules::default()).unwrap_err();
        assert!(why("rules:\n  lowestEficiency: 1\n").starts_with("there is no rule \"lowestEficiency\""));
        why("rules: [1]");
        why("rules: {a: {b: 1}}");
        why("a: b: c");
    }
}
