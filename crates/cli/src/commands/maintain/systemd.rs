//! A timer and a service that do it every day.

use crate::context::Context;
use crate::failure::Result;

/// The command line of the service: this program, for this store, with what was asked for.
pub(super) fn command(cx: &Context, given: &[(&str, Option<&str>)]) -> Result<Vec<String>> {
    let config = cx.engine()?.config();
    let mut words = vec![config.program.display().to_string(), "--root".to_owned(), config.root.display().to_string()];
    words.push("maintain".to_owned());
    for (flag, value) in given {
        match value {
            None => {}
            Some("") => words.push((*flag).to_owned()),
            Some(value) => words.extend([(*flag).to_owned(), (*value).to_owned()]),
        }
    }
    Ok(words)
}

/// Both units, with the names of their files.
pub(super) fn units(words: &[String]) -> String {
    let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!(
        "\
# /etc/systemd/system/wharfie-maintain.service
# (of an ordinary user: ~/.config/systemd/user, and `systemctl --user`)
[Unit]
Description=Retention, cache limits and a scan of all images

[Service]
Type=oneshot
ExecStart={}
# New findings are a result, and not a failure of the service.
SuccessExitStatus=2
Nice=10
IOSchedulingClass=idle

# /etc/systemd/system/wharfie-maintain.timer
# Then: systemctl daemon-reload && systemctl enable --now wharfie-maintain.timer
[Unit]
Description=Every day: retention, cache limits and a scan of all images

[Timer]
OnCalendar=daily
RandomizedDelaySec=1h
Persistent=true

[Install]
WantedBy=timers.target
",
        line.join(" ")
    )
}

/// A word of `ExecStart`. Source: systemd.syntax, \"Quoting\"; systemd.service, \"Command lines\".
fn quoted(word: &str) -> String {
    let word = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:%$=,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word } else { format!("\"{word}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_systemd_reads_them() {
        for (word, expected) in [
            ("/usr/bin/wharfie", "/usr/bin/wharfie"),
            ("a b", "\"a b\""),
            ("100%", "100%%"),
            ("$HOME \"x\"", "\"$$HOME \\\"x\\\"\""),
            ("", "\"\""),
            ("c:\\d", "\"c:\\\\d\""),
        ] {
            assert_eq!(quoted(word), expected, "{word}");
        }
        let text = units(&["/usr/bin/wharfie".to_owned(), "maintain".to_owned()]);
        assert!(text.contains("ExecStart=/usr/bin/wharfie maintain\n") && text.contains("OnCalendar=daily\n"));
    }
}
