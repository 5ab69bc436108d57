//! `SOURCE_DATE_EPOCH`: the time that everything gets that is made.

use super::Request;
use super::environment::Environment;
use crate::dockerfile::stages::Section;
use crate::{Error, Result};

/// The variable's name.
pub(super) const VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// What a build argument, or an ARG before the first FROM, says: seconds since 1970, `context`, a named context, or a stage
/// whose source has a time. `None` if nobody says anything, or nothing.
pub(super) fn resolve(request: &Request, globals: &mut Environment, sections: &[Section]) -> Result<Option<String>> {
    let given = request.build_args.get(VARIABLE).map(String::as_str);
    let Some(value) = given.or_else(|| globals.get(VARIABLE)).map(str::to_owned) else { return Ok(None) };
    if value.is_empty() {
        globals.remove(VARIABLE);
        return Ok(None);
    }
    if let Ok(seconds) = value.parse::<i64>() {
        let value = seconds.to_string();
        if globals.get(VARIABLE).is_some() {
            globals.set(VARIABLE, value.clone());
        }
        return Ok(Some(value));
    }
    let is_stage = sections.iter().any(|section| section.from.name.eq_ignore_ascii_case(&value));
    match value == "context" || request.contexts.contains(&value) || is_stage {
        true => Ok(Some(value)),
        false => Err(Error::new(format!("invalid SOURCE_DATE_EPOCH: {value}"))),
    }
}
