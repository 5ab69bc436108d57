//! Flags of instructions: `--name=value`, `--name`.

use crate::dockerfile::nearest;
use crate::{Error, Result};

/// What a flag holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// True or false; true if nothing is said.
    Switch,
    /// A text.
    Text,
    /// A text, and another one each time it is given.
    Texts,
}

/// The flags that an instruction was given.
pub(super) struct Flags(Vec<(&'static str, String)>);

impl Flags {
    /// Reads `given`, of which every one must be among `known`.
    pub(super) fn read(given: &[String], known: &[(&'static str, Form)]) -> Result<Self> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for flag in given {
            let (written, value) =
                flag.split_once('=').map_or((flag.as_str(), None), |(name, value)| (name, Some(value)));
            let name = written.strip_prefix("--").unwrap_or(written);
            let Some((name, form)) = known.iter().find(|(known, _)| *known == name) else {
                let meant = nearest(name, known.iter().map(|(name, _)| *name), true);
                return Err(Error::new(format!("unknown flag: {written}")).suggesting(meant));
            };
            if *form != Form::Texts && found.iter().any(|(known, _)| known == name) {
                return Err(Error::new(format!("duplicate flag specified: {written}")));
            }
            let missing = || Error::new(format!("missing a value on flag: {written}"));
            let value = match (form, value) {
                (Form::Switch, Some("")) | (Form::Text | Form::Texts, None) => return Err(missing()),
                (Form::Switch, value) => match value.unwrap_or("true").to_lowercase().as_str() {
                    word @ ("true" | "false") => word.to_owned(),
                    _ => {
                        let value = value.unwrap_or_default();
                        return Err(Error::new(format!("expecting boolean value for flag {written}, not: {value}")));
                    }
                },
                (Form::Text | Form::Texts, Some(value)) => value.to_owned(),
            };
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// What a text flag says; empty if it was not given.
    pub(super) fn text(&self, name: &str) -> String {
        self.text_or(name, "")
    }

    /// What a text flag says, or `default`.
    pub(super) fn text_or(&self, name: &str, default: &str) -> String {
        self.0.iter().find(|(known, _)| *known == name).map_or(default, |(_, value)| value).to_owned()
    }

    /// What a switch says, if it was given.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value == "true")
    }

    /// Everything that a flag was given.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.clone()).collect()
    }
}
