//! Scripts that complete command lines in a shell, generated from the tree. Commands and flags are in the script, so completing them starts
//! nothing; names of images, containers, volumes and networks come from the program, through the hidden `__complete KIND PREFIX`.

mod bash;
mod fish;
mod zsh;

use super::command::{Command, Complete, Entry, Flag, Kind};

/// A shell that scripts can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

impl Shell {
    /// The shell of that name.
    pub fn named(name: &str) -> Option<Shell> {
        match name {
            "bash" => Some(Shell::Bash),
            "zsh" => Some(Shell::Zsh),
            "fish" => Some(Shell::Fish),
            _ => None,
        }
    }
}

/// The script that completes `program`.
pub fn completion<R>(root: &'static Command<R>, program: &str, shell: Shell) -> String {
    let mut stops = vec![Stop { paths: vec![String::new()], command: Shape::of(root) }];
    collect(&mut stops, &[String::new()], root);
    match shell {
        Shell::Bash => bash::script(program, &stops),
        Shell::Zsh => zsh::script(program, &stops),
        Shell::Fish => fish::script(program, &stops),
    }
}

/// A place in the tree: every way to spell the path to it, each word with a blank before it, and what is there.
struct Stop {
    paths: Vec<String>,
    command: Shape,
}

/// What a command offers, without what it does.
struct Shape {
    /// Commands below and what they are for.
    commands: Vec<(&'static str, &'static str)>,
    flags: Vec<&'static Flag>,
    complete: Complete,
    is_interspersed: bool,
}

impl Shape {
    fn of<R>(command: &'static Command<R>) -> Shape {
        let shown = command.subcommands.iter().filter(|entry| !entry.hidden);
        Shape {
            commands: shown.map(|entry| (entry.name, entry.command.about)).collect(),
            flags: command.flags.iter().filter(|flag| !flag.hidden).collect(),
            complete: command.complete,
            is_interspersed: command.interspersed || command.is_group(),
        }
    }

    /// Its flags as words, `--help` included.
    fn flag_words(&self) -> String {
        let mut words: Vec<String> = self.flags.iter().flat_map(|flag| spellings(flag)).collect();
        words.push("--help".to_owned());
        words.join(" ")
    }

    /// The flags that take the next word.
    fn valued_words(&self) -> String {
        let valued = self.flags.iter().filter(|flag| flag.kind != Kind::Bool);
        valued.flat_map(|flag| spellings(flag)).collect::<Vec<_>>().join(" ")
    }

    /// What positional arguments are: a word for the script and the words to choose from.
    fn arguments(&self) -> (&'static str, String) {
        match self.complete {
            Complete::Nothing => ("nothing", String::new()),
            Complete::Images => ("images", String::new()),
            Complete::Containers => ("containers", String::new()),
            Complete::Volumes => ("volumes", String::new()),
            Complete::Networks => ("networks", String::new()),
            Complete::Everything => ("everything", String::new()),
            Complete::Files => ("files", String::new()),
            Complete::Words(words) => ("words", words.join(" ")),
        }
    }
}

/// `--all` and `-a`.
fn spellings(flag: &Flag) -> Vec<String> {
    let long = format!("--{}", flag.long);
    std::iter::once(long).chain(flag.short.map(|short| format!("-{short}"))).collect()
}

fn collect<R>(stops: &mut Vec<Stop>, prefixes: &[String], group: &'static Command<R>) {
    for entry in group.subcommands {
        let paths = spelled(prefixes, entry);
        stops.push(Stop { paths: paths.clone(), command: Shape::of(entry.command) });
        collect(stops, &paths, entry.command);
    }
}

fn spelled<R>(prefixes: &[String], entry: &Entry<R>) -> Vec<String> {
    let names = || std::iter::once(&entry.name).chain(entry.aliases);
    prefixes.iter().flat_map(|prefix| names().map(move |name| format!("{prefix} {name}"))).collect()
}

/// `program` as part of a function's name.
fn identifier(program: &str) -> String {
    program.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// `text` in single quotes, for Bash and Z shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command as Process, Stdio};

    use super::super::fixture::ROOT;
    use super::*;

    /// Runs `script` in a real bash; `None` where there is none.
    fn bash(args: &[&str], script: &str) -> Option<(bool, String)> {
        let process = Process::new("bash").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut process) = process else {
            #[expect(clippy::print_stderr, reason = "a skipped test says so")]
            {
                eprintln!("skipped: there is no bash");
            }
            return None;
        };
        process.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        Some((output.status.success(), String::from_utf8(output.stdout).unwrap()))
    }

    /// What bash offers after `line`.
    fn offers(line: &str, expected: &str) {
        let script = completion(&ROOT, "wharfie", Shell::Bash);
        let names = "wharfie() { [ \"$1 $2\" = '__complete images' ] && printf 'web:1\\nweb:2\\nteam/app:x\\n'; }\n";
        let run = format!(
            "{names}{script}\nCOMP_LINE='{line}' COMP_POINT={} COMP_WORDS=({line}) COMP_CWORD=$((${{#COMP_WORDS[@]}}-1))\n\
             _wharfie wharfie; echo ${{COMPREPLY[@]}}\n",
            line.len()
        );
        if let Some((_, found)) = bash(&["--norc"], &run) {
            assert_eq!(found.trim_end(), expected, "{line}");
        }
    }

    #[test]
    fn bash_accepts_the_script() {
        if let Some((accepted, _)) = bash(&["-n"], &completion(&ROOT, "wharfie", Shell::Bash)) {
            assert!(accepted);
        }
    }

    #[test]
    fn bash_completes_commands_and_flags() {
        offers("wharfie im", "images image import");
        offers("wharfie ", "run images image tag rmi load search import");
        offers("wharfie image ", "rm ls tag");
        offers("wharfie --debug -H x image l", "ls");
        offers("wharfie images --d", "--digests");
        offers("wharfie image list --no", "--no-trunc");
        offers("wharfie image remove --f", "--force");
        offers("wharfie load --", "--input --quiet --help");
        offers("wharfie secr", "");
    }

    #[test]
    fn bash_completes_names() {
        offers("wharfie images w", "web:1 web:2");
        offers("wharfie rmi web:1 te", "team/app:x");
        // The shell takes `:` for the end of a word, so what stands before it must not come twice.
        offers("wharfie rmi web:", "1 2");
        offers("wharfie images --filter w", "");
        offers("wharfie run -i te", "team/app:x");
        offers("wharfie run web:1 te", "");
        offers("wharfie images --format=j", "");
    }

    #[test]
    fn other_shells_know_every_command() {
        let zsh = completion(&ROOT, "wharfie", Shell::Zsh);
        assert!(zsh.starts_with("#compdef wharfie\n"));
        assert!(zsh.contains("'images:List images'") && zsh.contains("' image ls'|' image list'"), "{zsh}");
        let fish = completion(&ROOT, "wharfie", Shell::Fish);
        for line in [
            "complete -c wharfie -n '__wharfie_at \"\"' -a images -d 'List images'",
            "complete -c wharfie -n '__wharfie_at \" image ls\" \" image list\"' -l all -s a -d 'Show all images (default hides intermediate images)'",
            "complete -c wharfie -n '__wharfie_at \" load\"' -l input -s i -r -d 'Read from tar archive file, instead of STDIN'",
        ] {
            assert!(fish.contains(&format!("{line}\n")), "{line}\n{fish}");
        }
        assert!(!zsh.contains("secret:") && !fish.contains("-a secret"));
    }
}
