//! Manual pages, generated from the tree like help is.

use std::fmt::Write as _;

use super::command::{Argument, Command, Flag};
use super::help::{default_note, paths, value_word};

/// The manual page, in roff, of the command that `words` (names, not aliases) lead to; `None` if there is none.
pub fn manpage<R>(root: &'static Command<R>, program: &str, words: &[&str]) -> Option<String> {
    let mut command = root;
    let mut path = vec![program];
    for word in words {
        let entry = command.entry(word)?;
        path.push(entry.name);
        command = entry.command;
    }
    let mut page = Page { out: String::new() };
    page.title(root, &path, command);
    page.options(command.flags);
    page.arguments(command.arguments);
    page.commands(&path, command);
    page.examples(program, command);
    page.see_also(&path);
    Some(page.out)
}

struct Page {
    out: String,
}

impl Page {
    /// Adds a line of requests and escaped text.
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("a string accepts every write");
        self.out.push('\n');
    }

    fn title<R>(&mut self, root: &'static Command<R>, path: &[&str], command: &'static Command<R>) {
        let (name, typed) = (path.join("-"), path.join(" "));
        self.line(format_args!(".TH \"{}\" 1", escape(&name.to_uppercase())));
        self.line(format_args!(".SH NAME\n{} \\- {}", escape(&name), escape(command.about)));
        let usage = match (command.usage, command.is_group()) {
            ("", true) => "COMMAND",
            (usage, _) => usage,
        };
        self.line(format_args!(".SH SYNOPSIS\n\\fB{}\\fR {}", escape(&typed), escape(usage)));
        self.line(format_args!(".SH DESCRIPTION\n{}", escape(command.about)));
        let mut others = paths(root, command, path[0]);
        others.retain(|other| *other != typed);
        if !others.is_empty() {
            self.line(format_args!(".PP\nOther words for it: {}", escape(&others.join(", "))));
        }
    }

    fn arguments(&mut self, groups: &'static [&'static [Argument]]) {
        if !groups.is_empty() {
            self.line(format_args!(".SH ARGUMENTS"));
        }
        for (word, meaning) in groups.iter().copied().flatten() {
            self.line(format_args!(".TP\n\\fB{}\\fR\n{}", escape(word), escape(meaning)));
        }
    }

    fn options(&mut self, flags: &'static [Flag]) {
        self.line(format_args!(".SH OPTIONS"));
        let mut shown: Vec<&Flag> = flags.iter().filter(|flag| !flag.hidden).collect();
        shown.sort_by_key(|flag| flag.long);
        for flag in shown {
            let short = flag.short.map(|short| format!("\\fB\\-{short}\\fR, ")).unwrap_or_default();
            let value = match value_word(flag) {
                "" => String::new(),
                word => format!(" \\fI{}\\fR", escape(word)),
            };
            self.line(format_args!(".TP\n{short}\\fB\\-\\-{}\\fR{value}", escape(flag.long)));
            let text = format!("{}{}", flag.help, default_note(flag));
            let lines: Vec<String> = text.lines().map(escape).collect();
            self.line(format_args!("{}", lines.join("\n.br\n")));
        }
        self.line(format_args!(".TP\n\\fB\\-\\-help\\fR\nPrint usage"));
    }

    fn commands<R>(&mut self, path: &[&str], command: &'static Command<R>) {
        let mut shown: Vec<_> = command.subcommands.iter().filter(|entry| !entry.hidden).collect();
        if shown.is_empty() {
            return;
        }
        shown.sort_by_key(|entry| entry.name);
        self.line(format_args!(".SH COMMANDS"));
        for entry in shown {
            let page = format!("{}-{}", path.join("-"), entry.name);
            self.line(format_args!(".TP\n\\fB{}\\fR(1)\n{}", escape(&page), escape(entry.command.about)));
        }
    }

    fn examples<R>(&mut self, program: &str, command: &'static Command<R>) {
        if command.examples.is_empty() {
            return;
        }
        self.line(format_args!(".SH EXAMPLES"));
        for example in command.examples {
            self.line(format_args!(".PP\n{}:", escape(example.text)));
            self.line(format_args!(".PP\n.RS 4\n.nf\n{} {}\n.fi\n.RE", escape(program), escape(example.command)));
        }
    }

    fn see_also(&mut self, path: &[&str]) {
        if let [above @ .., _] = path
            && !above.is_empty()
        {
            self.line(format_args!(".SH SEE ALSO\n\\fB{}\\fR(1)", escape(&above.join("-"))));
        }
    }
}

/// Text that roff shows as it is: hyphens stay hyphens, and no line is taken for a request.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::ROOT;
    use super::*;

    #[test]
    fn a_command() {
        let expected = r#".TH "WHARFIE\-IMAGE\-LS" 1
.SH NAME
wharfie\-image\-ls \- List images
.SH SYNOPSIS
\fBwharfie image ls\fR [OPTIONS] [REPOSITORY[:TAG]]
.SH DESCRIPTION
List images
.PP
Other words for it: wharfie image list, wharfie images
.SH OPTIONS
.TP
\fB\-a\fR, \fB\-\-all\fR
Show all images (default hides intermediate images)
.TP
\fB\-\-digests\fR
Show digests
.TP
\fB\-f\fR, \fB\-\-filter\fR \fIfilter\fR
Filter output based on conditions provided
.TP
\fB\-\-format\fR \fIstring\fR
Format output using a custom template:
.br
\&'table':   Print output in table format
.br
\&'json':    Print in JSON format
.TP
\fB\-\-no\-trunc\fR
Don't truncate output
.TP
\fB\-q\fR, \fB\-\-quiet\fR
Only show image IDs
.TP
\fB\-\-help\fR
Print usage
.SH EXAMPLES
.PP
Ids only, for scripts:
.PP
.RS 4
.nf
wharfie images \-q
.fi
.RE
.PP
One repository:
.PP
.RS 4
.nf
wharfie images alpine
.fi
.RE
.SH SEE ALSO
\fBwharfie\-image\fR(1)
"#;
        assert_eq!(manpage(&ROOT, "wharfie", &["image", "ls"]).as_deref(), Some(expected));
    }

    #[test]
    fn groups_list_their_commands() {
        let page = manpage(&ROOT, "wharfie", &[]).unwrap();
        assert!(page.contains(".SH SYNOPSIS\n\\fBwharfie\\fR [OPTIONS] COMMAND [ARG...]\n"), "{page}");
        assert!(page.contains(".SH COMMANDS\n.TP\n\\fBwharfie\\-image\\fR(1)\nManage images\n"), "{page}");
        assert!(!page.contains("secret") && !page.contains("SEE ALSO"));
        assert!(manpage(&ROOT, "wharfie", &["image"]).unwrap().contains("\\fBwharfie image\\fR COMMAND\n"));
        assert_eq!(manpage(&ROOT, "wharfie", &["nope"]), None);
    }
}
