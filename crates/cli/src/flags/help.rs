//! Help texts, generated from the tree.

use std::fmt::Write as _;

use super::command::{Command, Entry, Flag, Kind};
use super::wrap::wrapped;

/// Where a command stands: the tree, the command, and the words that lead to it, the program's name first.
pub(super) struct Place<'a, R: 'static> {
    pub(super) root: &'static Command<R>,
    pub(super) command: &'static Command<R>,
    pub(super) path: Vec<&'a str>,
    /// Where long lines of help are broken; 0 for nowhere.
    pub(super) columns: usize,
}

impl<R> Place<'_, R> {
    /// The full command path.
    pub(super) fn path(&self) -> String {
        self.path.join(" ")
    }

    /// The path and what follows it.
    pub(super) fn usage_line(&self) -> String {
        match self.command.usage {
            "" => self.path(),
            // A second form begins with the program's name.
            usage => format!("{} {}", self.path(), usage.replace("PROG", self.path[0])),
        }
    }
}

/// Help of the command that `words` (names, not aliases) lead to, or `None` if there is none.
pub fn help<R>(root: &'static Command<R>, program: &str, words: &[&str]) -> Option<String> {
    let mut place = Place { root, command: root, path: vec![program], columns: 0 };
    for word in words {
        let entry = place.command.entry(word)?;
        place.path.push(entry.name);
        place.command = entry.command;
    }
    Some(text(&place))
}

/// The whole help text of one place; ends in a newline.
pub(super) fn text<R>(place: &Place<'_, R>) -> String {
    let command = place.command;
    let path = place.path();
    let is_root = place.path.len() == 1;
    let mut out = String::with_capacity(1024);
    out.push_str("Usage:  ");
    if command.run.is_some() && !command.usage.is_empty() && !is_root {
        // It does something by itself, and some words after it are commands of their own.
        line(&mut out, format_args!("{}", place.usage_line()));
        if command.is_group() {
            line(&mut out, format_args!("        {path} COMMAND"));
        }
    } else if command.is_group() {
        let options = if command.flags.iter().any(|flag| !flag.hidden) { " [OPTIONS]" } else { "" };
        line(&mut out, format_args!("{path}{options} COMMAND"));
    } else {
        line(&mut out, format_args!("{}", place.usage_line()));
    }
    line(&mut out, format_args!("\n{}", command.about));
    let paths = paths(place.root, command, place.path[0]);
    if paths.len() > 1 {
        line(&mut out, format_args!("\nAliases:\n  {}", paths.join(", ")));
    }
    if is_root {
        let shown = |entry: &&Entry<R>| !entry.hidden;
        let entries = || command.subcommands.iter().filter(shown);
        section(&mut out, "Common Commands", entries().filter(|e| e.common).collect());
        section(
            &mut out,
            "Management Commands",
            sorted(entries().filter(|e| !e.common && e.command.is_group()).collect()),
        );
        section(&mut out, "Commands", sorted(entries().filter(|e| !e.common && !e.command.is_group()).collect()));
        options(&mut out, "Global Options", command.flags, place.columns);
    } else {
        options(&mut out, "Options", command.flags, place.columns);
        section(&mut out, "Commands", sorted(command.subcommands.iter().filter(|entry| !entry.hidden).collect()));
    }
    if !command.arguments.is_empty() {
        out.push_str("\nArguments:\n");
        let all = || command.arguments.iter().copied().flatten();
        let width = all().map(|(word, _)| word.len()).max().unwrap_or_default();
        for (word, meaning) in all() {
            line(&mut out, format_args!("  {word:width$}   {meaning}"));
        }
    }
    if !command.examples.is_empty() {
        out.push_str("\nExamples:\n");
        for (number, example) in command.examples.iter().enumerate() {
            let gap = if number > 0 { "\n" } else { "" };
            line(&mut out, format_args!("{gap}  # {}\n  {} {}", example.text, place.path[0], example.command));
        }
    }
    if command.is_group() {
        line(&mut out, format_args!("\nRun '{path} COMMAND --help' for more information on a command."));
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string accepts every write");
    out.push('\n');
}

/// Every full path that reaches `command`: the places in groups first, each with its aliases, then the short forms at the top.
pub(super) fn paths<R>(root: &'static Command<R>, command: &'static Command<R>, program: &str) -> Vec<String> {
    let mut found = Vec::new();
    for group in root.subcommands.iter().filter(|entry| entry.command.is_group()) {
        collect(&mut found, &format!("{program} {}", group.name), group.command, command);
    }
    let top = root.subcommands.iter().filter(|entry| !entry.hidden && std::ptr::eq(entry.command, command));
    for entry in top {
        push_names(&mut found, program, entry);
    }
    found
}

fn collect<R>(found: &mut Vec<String>, prefix: &str, group: &'static Command<R>, command: &'static Command<R>) {
    for entry in group.subcommands.iter().filter(|entry| !entry.hidden) {
        if std::ptr::eq(entry.command, command) {
            push_names(found, prefix, entry);
        } else {
            collect(found, &format!("{prefix} {}", entry.name), entry.command, command);
        }
    }
}

fn push_names<R>(found: &mut Vec<String>, prefix: &str, entry: &Entry<R>) {
    found.push(format!("{prefix} {}", entry.name));
    found.extend(entry.aliases.iter().map(|alias| format!("{prefix} {alias}")));
}

fn sorted<R>(mut entries: Vec<&Entry<R>>) -> Vec<&Entry<R>> {
    entries.sort_by_key(|entry| entry.name);
    entries
}

fn section<R>(out: &mut String, title: &str, entries: Vec<&Entry<R>>) {
    if entries.is_empty() {
        return;
    }
    let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0).max(MIN_NAME_COLUMN);
    line(out, format_args!("\n{title}:"));
    for entry in entries {
        line(out, format_args!("  {:width$} {}", entry.name, entry.command.about));
    }
}

/// Columns for command names in lists, at least.
const MIN_NAME_COLUMN: usize = 11;

fn options(out: &mut String, title: &str, flags: &[Flag], columns: usize) {
    let mut shown: Vec<&Flag> = flags.iter().filter(|flag| !flag.hidden).collect();
    if shown.is_empty() {
        return;
    }
    shown.sort_by_key(|flag| flag.long);
    let heads: Vec<String> = shown.iter().map(|flag| head(flag)).collect();
    let width = heads.iter().map(String::len).max().unwrap_or(0) + 3;
    line(out, format_args!("\n{title}:"));
    for (flag, head) in shown.iter().zip(&heads) {
        let text = wrapped(&format!("{}{}", flag.help, default_note(flag)), width, columns);
        line(out, format_args!("{head:width$}{text}"));
    }
}

/// `  -f, --filter filter`, the left half of a line about a flag.
fn head(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    let value = value_word(flag);
    let gap = if value.is_empty() { "" } else { " " };
    format!("  {short}--{}{gap}{value}", flag.long)
}

/// The word for a flag's value; empty for switches.
pub(super) fn value_word(flag: &Flag) -> &'static str {
    match flag.kind {
        Kind::Bool => "",
        _ if !flag.value_name.is_empty() => flag.value_name,
        Kind::Str => "string",
        Kind::Int => "int",
        Kind::List => "list",
        Kind::CommaList => "strings",
        Kind::Filter => "filter",
    }
}

/// ` (default …)` for defaults that say something.
pub(super) fn default_note(flag: &Flag) -> String {
    match (flag.kind, flag.default) {
        (_, "") | (Kind::Bool, "false") | (Kind::Int, "0") => String::new(),
        (Kind::Str, text) if flag.value_name.is_empty() => format!(" (default {text:?})"),
        (_, text) => format!(" (default {text})"),
    }
}
