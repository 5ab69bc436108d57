//! Annotations: `key=value`, with kinds of documents in front if it is not for the manifest alone.

/// Refuses one that makes no sense.
pub(crate) fn check(annotation: &str) -> Result<(), String> {
    const KINDS: [&str; 4] = ["index", "index-descriptor", "manifest", "manifest-descriptor"];
    let Some((key, _)) = annotation.split_once('=') else {
        return Err(format!("invalid annotation \"{annotation}\", expected key=value"));
    };
    let Some((kinds, _)) = key.split_once(':') else { return Ok(()) };
    for kind in kinds.split(',') {
        let (name, platform) = match kind.strip_suffix(']').and_then(|kind| kind.split_once('[')) {
            Some((name, platform)) => (name, Some(platform)),
            None => (kind, None),
        };
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let is_platform = |platform: &str| {
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'-');
            !platform.is_empty() && platform.bytes().all(is_fine)
        };
        if !is_name || !platform.is_none_or(is_platform) {
            return Err(format!(
                "invalid annotation type \"{kind}\", expected type and optional platform in square brackets"
            ));
        }
        if !KINDS.contains(&name) {
            return Err(format!("unknown annotation type \"{name}\""));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn kinds_are_known() {
        for annotation in
            ["a=b", "a.b/c=", "manifest:a=b", "index,manifest[linux/amd64]:a=b:c", "manifest-descriptor:a=b"]
        {
            assert_eq!(check(annotation), Ok(()), "{annotation}");
        }
        for (annotation, expected) in [
            ("a", "invalid annotation \"a\", expected key=value"),
            ("x:a=b", "unknown annotation type \"x\""),
            ("A:a=b", "invalid annotation type \"A\", expected type and optional platform in square brackets"),
            (
                "index[]:a=b",
                "invalid annotation type \"index[]\", expected type and optional platform in square brackets",
            ),
        ] {
            assert_eq!(check(annotation), Err(expected.to_owned()), "{annotation}");
        }
    }
}
