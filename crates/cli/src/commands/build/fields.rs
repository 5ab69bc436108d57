//! Values that are lists of fields: `type=local,dest=out`, one line of comma-separated values.

/// The fields of `text`, in order. Double quotes protect a comma; a field may be a bare word.
pub(super) fn fields(text: &str) -> Vec<(String, Option<String>)> {
    let mut fields = Vec::new();
    let (mut field, mut is_quoted) = (String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // Two quotes within quotes are one.
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    let pair = |field: String| match field.split_once('=') {
        Some((key, value)) => (key.trim().to_lowercase(), Some(value.to_owned())),
        None => (field.trim().to_owned(), None),
    };
    fields.into_iter().filter(|field| !field.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_protect_commas() {
        let read = |text| {
            let pair = |(key, value): (String, Option<String>)| format!("{key}:{}", value.unwrap_or("-".to_owned()));
            fields(text).into_iter().map(pair).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read("type=image,name=a"), "type:image name:a");
        assert_eq!(read("type=image,\"name=a,b\",push"), "type:image name:a,b push:-");
        assert_eq!(read("\"a=say \"\"x\"\"\""), "a:say \"x\"");
    }
}
