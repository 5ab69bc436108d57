//! One line of fields between commas, as spreadsheets write them, and words for true and false, as Go reads them.

/// The fields of `line`.
///
/// # Errors
/// When a quote stands where none may be; in Go's words.
pub(crate) fn fields(line: &str) -> Result<Vec<String>, String> {
    if line.is_empty() {
        return Err("EOF".to_owned());
    }
    let mut all = Vec::new();
    let mut rest = line;
    let column = |rest: &str| line.len() - rest.len() + 1;
    let fault = |column: usize, what: &str| format!("parse error on line 1, column {column}: {what}");
    loop {
        let Some(mut quoted) = rest.strip_prefix('"') else {
            let end = rest.find(',');
            let field = &rest[..end.unwrap_or(rest.len())];
            if let Some(at) = field.find('"') {
                return Err(fault(column(rest) + at, "bare \" in non-quoted field"));
            }
            all.push(field.to_owned());
            match end {
                Some(end) => rest = &rest[end + 1..],
                None => return Ok(all),
            }
            continue;
        };
        let mut field = String::new();
        loop {
            let missing = "extraneous or missing \" in quoted-field";
            let Some((part, behind)) = quoted.split_once('"') else { return Err(fault(column(quoted), missing)) };
            field.push_str(part);
            if behind.is_empty() {
                all.push(field);
                return Ok(all);
            }
            if let Some(more) = behind.strip_prefix('"') {
                field.push('"');
                quoted = more;
            } else if let Some(next) = behind.strip_prefix(',') {
                all.push(field);
                rest = next;
                break;
            } else {
                return Err(fault(column(behind) - 1, missing));
            }
        }
    }
}

/// True or false, as Go writes them.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_between_commas() {
        let check = |line: &str, expected: Result<Vec<&str>, &str>| {
            let expected = expected.map(|all| all.into_iter().map(str::to_owned).collect()).map_err(str::to_owned);
            assert_eq!(fields(line), expected, "{line}");
        };
        check("a=b,c", Ok(vec!["a=b", "c"]));
        check("a,", Ok(vec!["a", ""]));
        check("\"a,b\",\"c\"\"d\"", Ok(vec!["a,b", "c\"d"]));
        check("", Err("EOF"));
        check("a\"b", Err("parse error on line 1, column 2: bare \" in non-quoted field"));
        check("\"a", Err("parse error on line 1, column 2: extraneous or missing \" in quoted-field"));
        check("\"a\"b", Err("parse error on line 1, column 3: extraneous or missing \" in quoted-field"));
    }
}
