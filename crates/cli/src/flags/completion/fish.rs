//! The script for fish: one `complete` line per command and flag, each with the places where it counts.

use std::fmt::Write as _;

use super::{Stop, identifier, offered};
use crate::flags::command::{Complete, Kind};

/// The whole script.
pub(super) fn script(program: &str, others: &[String], stops: &[Stop]) -> String {
    let name = identifier(program);
    let mut lines = String::new();
    let mut places = String::new();
    let mut valued = String::new();
    for Stop { paths, command } in stops {
        let spelled = paths.iter().map(|path| format!("\"{path}\"")).collect::<Vec<_>>().join(" ");
        let start = format!("complete -c {program} -n '__{name}_at {spelled}'");
        for path in paths.iter().filter(|path| !path.is_empty()) {
            write!(places, " \"{path}\"").expect("a string accepts every write");
        }
        for (name, about) in &command.commands {
            writeln!(lines, "{start} -a {name} -d {}", quoted(about)).expect("a string accepts every write");
        }
        for flag in &command.flags {
            let short = flag.short.map(|short| format!(" -s {short}")).unwrap_or_default();
            // A flag that takes a value takes files, unless it says what else.
            let value = match (flag.kind, flag.complete) {
                (Kind::Bool, _) => String::new(),
                (_, Complete::Files) => " -r -F".to_owned(),
                (_, complete) => format!(" -x{}", choices(program, complete)),
            };
            writeln!(lines, "{start} -l {}{short}{value} -d {}", flag.long, quoted(flag.help))
                .expect("a string accepts every write");
            if paths.iter().any(String::is_empty) && flag.kind != Kind::Bool {
                let short = flag.short.map(|short| format!(" -{short}")).unwrap_or_default();
                write!(valued, " --{}{short}", flag.long).expect("a string accepts every write");
            }
        }
        match command.complete {
            Complete::Nothing => Ok(()),
            Complete::Files => writeln!(lines, "{start} -F"),
            Complete::Places => writeln!(lines, "{start} -F{}", choices(program, Complete::Places)),
            complete => writeln!(lines, "{start}{}", choices(program, complete)),
        }
        .expect("a string accepts every write");
    }
    for other in others {
        writeln!(lines, "complete -c {other} -w {program}").expect("a string accepts every write");
    }
    BODY.replace("@LINES@", &lines)
        .replace("@PLACES@", &places)
        .replace("@VALUED@", &valued)
        .replace("@NAME@", &name)
        .replace("@PROGRAM@", program)
}

/// ` -a …`: words to choose from, or how to ask for names. A value behind `--flag=` is completed without the flag.
fn choices(program: &str, complete: Complete) -> String {
    match offered(complete) {
        ("words", words) => format!(" -a {}", quoted(&words)),
        ("nothing", _) => String::new(),
        (kind, _) => {
            format!(
                " -a '({program} __complete {kind} (string replace -r \"^--[^=]*=\" \"\" -- (commandline -ct)) 2>/dev/null)'"
            )
        }
    }
}

/// The first line of `text` in single quotes.
fn quoted(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    format!("'{}'", line.replace('\\', "\\\\").replace('\'', "\\'"))
}

const BODY: &str = r#"# Completion of @PROGRAM@ for fish. Load it with: @PROGRAM@ completion fish | source

# Whether the words so far lead to one of the places given.
function __@NAME@_at
    set -l place ''
    set -l value ''
    for word in (commandline -opc)[2..]
        if test -n "$value"
            set value ''
        else if string match -q -- '-*' $word
            test -z "$place"; and contains -- $word@VALUED@; and set value yes
        else if contains -- "$place $word"@PLACES@
            set place "$place $word"
        end
    end
    contains -- "$place" $argv
end

complete -c @PROGRAM@ -f
complete -c @PROGRAM@ -l help -d 'Print usage'
@LINES@"#;
