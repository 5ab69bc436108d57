//! `SOURCE_DATE_EPOCH`: the time that everything gets that is made.

use super::Request;
use super::copying::is_remote;
use super::environment::Environment;
use super::states::SCRATCH;
use crate::dockerfile::Style;
use crate::dockerfile::instruction::Kind;
use crate::dockerfile::stages::Section;
use crate::{Error, Result};

/// The variable's name.
pub(super) const VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// What a build argument, or an ARG before the first FROM, says: seconds since 1970, `context`, a named context, or a stage
/// whose source has a time. `None` if nobody says anything, or nothing.
///
/// # Errors
/// When it is none of these, or the stage does anything else than fetch one source.
pub(super) fn resolve(
    request: &Request,
    globals: &mut Environment,
    style: Style,
    sections: &[Section],
) -> Result<Option<String>> {
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
    if value == "context" || request.contexts.contains(&value) {
        return Ok(Some(value));
    }
    let Some(section) = sections.iter().find(|section| section.from.name.eq_ignore_ascii_case(&value)) else {
        return Err(Error::new(format!("invalid SOURCE_DATE_EPOCH: {value}")));
    };
    let mut environment = globals.clone();
    environment.remove(VARIABLE);
    judge(request, environment, style, section).map_err(|why| why.at(section.lines))?;
    Ok(Some(value))
}

/// Refuses a stage that is more than a source.
fn judge(request: &Request, mut environment: Environment, style: Style, section: &Section) -> Result<()> {
    if environment.expand(&section.from.base, style)?.text != SCRATCH {
        return Err(Error::new("SOURCE_DATE_EPOCH stage must use FROM scratch"));
    }
    let no_source = || Error::new("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD");
    let mut has_source = false;
    for instruction in &section.instructions {
        match &instruction.kind {
            Kind::Arg(arguments) => {
                for arg in arguments {
                    if let Some(value) = request.build_args.get(&arg.name) {
                        environment.set(&arg.name, value.clone());
                    } else if let Some(default) = &arg.default {
                        let value = environment.expand(default, style)?.text;
                        environment.set(&arg.name, value);
                    }
                }
            }
            Kind::Copy(copy) if copy.is_add => {
                if std::mem::replace(&mut has_source, true) {
                    return Err(no_source());
                }
                let ([source], []) = (copy.sources.as_slice(), copy.documents.as_slice()) else {
                    return Err(Error::new("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD source"));
                };
                if !is_remote(&environment.expand(source, style)?.text)? {
                    return Err(Error::new("SOURCE_DATE_EPOCH stage source must be a single HTTP(S) or Git ADD"));
                }
            }
            _ => {
                let keyword = &instruction.keyword;
                return Err(Error::new(format!(
                    "SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported {keyword} instruction"
                )));
            }
        }
    }
    if has_source { Ok(()) } else { Err(no_source()) }
}
