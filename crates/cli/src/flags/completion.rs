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

/// The script that completes `program`, also where it is called by one of `others`.
pub fn completion<R>(root: &'static Command<R>, program: &str, others: &[String], shell: Shell) -> String {
    let mut stops = vec![Stop { paths: vec![String::new()], command: Shape::of(root) }];
    collect(&mut stops, &[String::new()], root);
    match shell {
        Shell::Bash => bash::script(program, others, &stops),
        Shell::Zsh => zsh::script(program, others, &stops),
        Shell::Fish => fish::script(program, others, &stops),
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
    /// The flags that take a value; those that are not shown are typed all the same.
    valued: Vec<&'static Flag>,
    complete: Complete,
    is_interspersed: bool,
}

impl Shape {
    fn of<R>(command: &'static Command<R>) -> Shape {
        let shown = command.subcommands.iter().filter(|entry| !entry.hidden);
        Shape {
            commands: shown.map(|entry| (entry.name, entry.command.about)).collect(),
            flags: command.flags.iter().filter(|flag| !flag.hidden).collect(),
            valued: command.flags.iter().filter(|flag| flag.kind != Kind::Bool).collect(),
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
        self.valued.iter().flat_map(|flag| spellings(flag)).collect::<Vec<_>>().join(" ")
    }

    /// For each flag whose values are no files: its spelling, what its values are, and the words to choose from.
    fn values(&self) -> Vec<String> {
        let valued = self.valued.iter().filter(|flag| flag.complete != Complete::Files);
        let line = |flag: &&'static Flag| {
            let (kind, words) = offered(flag.complete);
            let spelled = spellings(flag).into_iter();
            spelled.map(|spelling| format!("{spelling} {kind} {words}").trim_end().to_owned()).collect::<Vec<_>>()
        };
        valued.flat_map(line).collect()
    }
}

/// A word for the script, and the words to choose from.
fn offered(complete: Complete) -> (&'static str, String) {
    match complete {
        Complete::Nothing => ("nothing", String::new()),
        Complete::Images => ("images", String::new()),
        Complete::Places => ("places", String::new()),
        Complete::Containers => ("containers", String::new()),
        Complete::Volumes => ("volumes", String::new()),
        Complete::Networks => ("networks", String::new()),
        Complete::Everything => ("everything", String::new()),
        Complete::Files => ("files", String::new()),
        Complete::Words(words) => ("words", words.join(" ")),
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
        offers_of(&ROOT, line, expected);
    }

    fn offers_of<R>(root: &'static Command<R>, line: &str, expected: &str) {
        let script = completion(root, "wharfie", &[], Shell::Bash);
        let names = "wharfie() { case \"$1 $2\" in '__complete images') printf 'web:1\\nweb:2\\nteam/app:x\\n' ;; \
                     '__complete places') printf 'web:1\\noci:\\nstore:web:1\\n' ;; \
                     '__complete networks') printf 'bridge\\nwide\\n' ;; esac; }\n";
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
        if let Some((accepted, _)) = bash(&["-n"], &completion(&ROOT, "wharfie", &[], Shell::Bash)) {
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
        offers("wharfie load w", "web:1");
        offers("wharfie load o", "oci:");
        offers("wharfie load store:w", "web:1");
        offers("wharfie load ./x", "");
        offers("wharfie run -i te", "team/app:x");
        offers("wharfie run web:1 te", "");
        offers("wharfie images --format=j", "");
        offers("wharfie run --env-file=x", "");
    }

    #[test]
    fn a_command_may_have_names_and_commands_of_its_own() {
        static DB: Command<&str> = Command { run: Some("db"), ..Command::BASE };
        static SCAN: Command<&str> = Command {
            subcommands: &[Entry::new("db", &DB)],
            complete: Complete::Images,
            run: Some("scan"),
            ..Command::BASE
        };
        static TOP: Command<&str> = Command { subcommands: &[Entry::new("scan", &SCAN)], ..Command::BASE };
        offers_of(&TOP, "wharfie scan ", "web:1 web:2 team/app:x db");
        offers_of(&TOP, "wharfie scan d", "db");
        offers_of(&TOP, "wharfie scan web:1 d", "");
        offers_of(&TOP, "wharfie s", "scan");
    }

    #[test]
    fn bash_completes_the_values_of_flags() {
        offers("wharfie run --network w", "wide");
        offers("wharfie run --net b", "bridge");
        offers("wharfie run --network=", "bridge wide");
        offers("wharfie run --pull ", "always missing never");
        offers("wharfie run --pull=m", "missing");
        offers("wharfie run -i --pull n", "never");
        offers("wharfie run web:1 --pull n", "");
    }

    #[test]
    fn other_names_are_completed_alike() {
        let others = ["docker".to_owned()];
        let bash = completion(&ROOT, "wharfie", &others, Shell::Bash);
        assert!(bash.contains("\ncomplete -F _wharfie 'wharfie' docker\n"), "{bash}");
        let zsh = completion(&ROOT, "wharfie", &others, Shell::Zsh);
        assert!(
            zsh.starts_with("#compdef wharfie docker\n") && zsh.contains("compdef _wharfie wharfie docker\n"),
            "{zsh}"
        );
        let fish = completion(&ROOT, "wharfie", &others, Shell::Fish);
        assert!(fish.ends_with("\ncomplete -c docker -w wharfie\n"), "{fish}");
    }

    #[test]
    fn other_shells_know_every_command() {
        let zsh = completion(&ROOT, "wharfie", &[], Shell::Zsh);
        assert!(zsh.starts_with("#compdef wharfie\n"));
        assert!(zsh.contains("'images:List images'") && zsh.contains("' image ls'|' image list'"), "{zsh}");
        let fish = completion(&ROOT, "wharfie", &[], Shell::Fish);
        for line in [
            "complete -c wharfie -n '__wharfie_at \"\"' -a images -d 'List images'",
            "complete -c wharfie -n '__wharfie_at \" image ls\" \" image list\"' -l all -s a -d 'Show all images (default hides intermediate images)'",
            "complete -c wharfie -n '__wharfie_at \" load\"' -l input -s i -r -F -d 'Read from tar archive file, instead of STDIN'",
        ] {
            assert!(fish.contains(&format!("{line}\n")), "{line}\n{fish}");
        }
        assert!(!zsh.contains("secret:") && !fish.contains("-a secret"));
    }
}
