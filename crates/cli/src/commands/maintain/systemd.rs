//! A timer and a service that do it every day.

use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Result};

/// What the service does, and where it finds what it needs.
pub(super) struct Service {
    words: Vec<String>,
    /// Variables that say where settings, the store and keys are.
    environment: Vec<(&'static str, String)>,
}

/// What names files: a service has another directory than whoever asks for it.
const VARIABLES: [&str; 4] = ["WHARFIE_CONFIG", "WHARFIE_ROOT", "DOCKER_CONFIG", "XDG_CONFIG_HOME"];

/// A service of this program, for this store, with what was asked for.
///
/// # Errors
/// When something cannot be written into a unit.
pub(super) fn service(cx: &Context, given: &[(&str, Option<&str>)]) -> Result<Service> {
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
    let said = |name: &'static str| match name {
        // Also by flag.
        "DOCKER_CONFIG" => Some(cx.docker_config().display().to_string()).filter(|_| cx.is_docker_config_said()),
        _ => env::nonempty(name),
    };
    let environment: Vec<_> = VARIABLES.iter().filter_map(|name| Some((*name, absolute(&said(name)?)))).collect();
    let all = words.iter().chain(environment.iter().map(|(_, value)| value));
    match all.into_iter().find(|text| text.contains(char::is_control)) {
        Some(text) => Err(Failure::new(format!("{text:?} cannot be written into a unit of systemd"))
            .help(Some("put what has several lines into a script, and name that".to_owned()))),
        None => Ok(Service { words, environment }),
    }
}

/// A path that means the same for whoever reads it elsewhere.
pub(super) fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

/// Both units, with the names of their files.
pub(super) fn units(service: &Service) -> String {
    let line: Vec<String> = service.words.iter().enumerate().map(|(at, word)| argument(at, word)).collect();
    let variable = |(name, value): &(&str, String)| format!("Environment={}\n", quoted(&format!("{name}={value}")));
    let environment: String = service.environment.iter().map(variable).collect();
    format!(
        "\
# /etc/systemd/system/wharfie-maintain.service
# (of an ordinary user: ~/.config/systemd/user, and `systemctl --user`)
[Unit]
Description=Retention, cache limits and a scan of all images

[Service]
Type=oneshot
{environment}ExecStart={}
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

/// A word of `ExecStart`, the `at`th: variables are expanded in all but the program. Source: systemd.service, \"Command lines\".
fn argument(at: usize, word: &str) -> String {
    quoted(&if at == 0 { word.to_owned() } else { word.replace('$', "$$") })
}

/// A word of a unit. Source: systemd.syntax, \"Quoting\"; systemd.unit, \"Specifiers\".
fn quoted(word: &str) -> String {
    let word = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
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
            assert_eq!(argument(1, word), expected, "{word}");
        }
        assert_eq!(argument(0, "/opt/$x"), "/opt/$x");
        let words = vec!["/usr/bin/wharfie".to_owned(), "maintain".to_owned()];
        let text = units(&Service { words, environment: vec![("WHARFIE_CONFIG", "/etc/a $b 100%".to_owned())] });
        assert!(text.contains("ExecStart=/usr/bin/wharfie maintain\n") && text.contains("OnCalendar=daily\n"));
        assert!(text.contains("\nEnvironment=\"WHARFIE_CONFIG=/etc/a $b 100%%\"\n"));
    }
}
