//! Variables and labels, from flags and from files.

use std::collections::BTreeMap;

use super::create_flags;
use crate::env;
use crate::failure::{Failure, Result};
use crate::flags::Matches;

/// `NAME=value`, split; a name alone has an empty value.
pub(crate) fn pairs(values: &[String]) -> Vec<(String, String)> {
    values
        .iter()
        .map(|text| text.split_once('=').map_or((text.clone(), String::new()), |(k, v)| (k.to_owned(), v.to_owned())))
        .collect()
}

/// `-e` and `--env-file`: a name alone is copied from us; if we do not have it, it stays alone, which takes it away from the image.
pub(crate) fn environment(matches: &Matches) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut add = |text: &str| match (text.contains('='), env::text(text)) {
        (true, _) => found.push(text.to_owned()),
        (false, Some(value)) => found.push(format!("{text}={value}")),
        // Whose variable it is, the image's, is not the container's then.
        (false, None) => found.push(text.to_owned()),
    };
    for path in matches.get(&create_flags::ENV_FILE) {
        let refused = |why: String| Failure::with_code(why, 125);
        let bytes =
            std::fs::read(path).map_err(|why| refused(format!("open {path}: {}", crate::context::reason(&why))))?;
        for line in env_lines(path, &bytes).map_err(refused)? {
            match line {
                Some(line) if line.starts_with('=') => {
                    return Err(refused(format!("invalid env file ({path}): no variable name on line '{line}'")));
                }
                Some(line) if line.split('=').next().is_some_and(|name| name.contains([' ', '\t'])) => {
                    let name = line.split('=').next().unwrap_or_default();
                    let text = format!("variable '{name}' contains whitespaces");
                    return Err(refused(format!("invalid env file ({path}): {text}")));
                }
                Some(line) => add(&line),
                None => {}
            }
        }
    }
    for text in matches.get(&create_flags::ENV) {
        add(text);
    }
    Ok(found)
}

/// The lines of a file of variables or labels, without blanks in front; `None` for empty lines and comments.
fn env_lines(path: &str, bytes: &[u8]) -> Result<Vec<Option<String>>, String> {
    // Editors of another system put it there; it is no part of the first name.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| format!("invalid env file ({path}): it is not valid UTF-8"))?;
    let lines = text.lines().map(str::trim_start);
    Ok(lines.map(|line| (!line.is_empty() && !line.starts_with('#')).then(|| line.to_owned())).collect())
}

/// `-l` and `--label-file`; later ones win.
pub(crate) fn labels(matches: &Matches) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for path in matches.get(&create_flags::LABEL_FILE) {
        let text = std::fs::read_to_string(path)
            .map_err(|why| Failure::with_code(format!("open {path}: {}", crate::context::reason(&why)), 125))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        found.extend(pairs(&lines.map(str::to_owned).collect::<Vec<_>>()));
    }
    found.extend(pairs(matches.get(&create_flags::LABEL)));
    Ok(found)
}
