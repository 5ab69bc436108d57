//! From the process's arguments to its exit code.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use wharfie_engine::job::{self, Surroundings};
use wharfie_engine::version::{BUILD, VERSION};

use crate::commands;
use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Hints, Result};
use crate::flags::{self, Parsed, Stream};
use crate::interrupt;
use crate::render::sanitise::{Layout, sanitise};

/// Runs the program with its arguments, its own name first.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let program = program(&args);
    let result = words(args).and_then(|words| start(program.clone(), &words));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(code) = interrupt::code() {
                return ExitCode::from(code);
            }
            let message = failure.message(&Hints::of(&program));
            if !message.is_empty() {
                // A closed stderr leaves the exit code to tell.
                // Errors quote images and registries.
                let _ = writeln!(std::io::stderr().lock(), "{}", sanitise(&message, Layout::Lines));
            }
            ExitCode::from(failure.code)
        }
    }
}

/// Does what this process was started for by another one of ours. It has no user: what it has to say it says to that one.
pub fn job() -> ExitCode {
    match job::perform(Surroundings { clock: env::now, remove: crate::rootless::remove }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Nothing here logs by level, but a level that is none is a mistake, as with docker.
fn check_log_level(context: &Context) -> Result {
    let level = context.globals().get(&commands::LOG_LEVEL).unwrap_or_default();
    match level.to_ascii_lowercase().as_str() {
        "" | "trace" | "debug" | "info" | "warn" | "warning" | "error" | "fatal" | "panic" => Ok(()),
        _ => Err(Failure::new(format!("Unable to parse logging level: {level}"))),
    }
}

/// Where help is broken: one column before the terminal's end, as docker does. In a pipe each flag has a line for itself.
fn columns() -> usize {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return 0;
    }
    rustix::termios::tcgetwinsize(stdout).map_or(0, |size| usize::from(size.ws_col).saturating_sub(1))
}

/// The program's name as it was called.
fn program(args: &[OsString]) -> String {
    let called = args.first().and_then(|called| Path::new(called).file_name());
    called.map_or("wharfie".into(), |name| name.to_string_lossy().into_owned())
}

fn words(args: Vec<OsString>) -> Result<Vec<String>> {
    let words = args.into_iter().skip(1);
    let words = words
        .map(|word| word.into_string().map_err(|word| Failure::new(format!("argument {word:?} is not valid UTF-8"))));
    words.collect()
}

fn start(program: String, words: &[String]) -> Result {
    let parsed = flags::parse(&commands::ROOT, &program, words, columns())
        .map_err(|why| Failure::with_code(why.text, why.code).help(why.help))?;
    match parsed {
        Parsed::Run(invocation) => {
            let context = Context::new(program, invocation.path, invocation.globals)?;
            check_log_level(&context)?;
            crate::machine::check(&context).map_err(|why| why.code(invocation.command.not_begun))?;
            context.heed_trust(&invocation.matches);
            context.check_docker_config();
            // While there is one thread.
            crate::rootless::prepare(&context, invocation.command.needs, &invocation.matches)
                .map_err(|why| why.code(invocation.command.not_begun))?;
            (invocation.run)(&context, &invocation.matches).map_err(|why| crate::suggest::add(&context, why))
        }
        Parsed::Help { text, stream, note } => {
            let text = match note {
                Some((note, Stream::Stderr)) if stream == Stream::Stdout => {
                    let _ = std::io::stderr().lock().write_all(format!("{note}\n").as_bytes());
                    text
                }
                Some((note, _)) => format!("{note}\n{text}"),
                None => text,
            };
            match stream {
                Stream::Stdout => {
                    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|why| Failure::output(&why))
                }
                Stream::Stderr => {
                    let _ = std::io::stderr().lock().write_all(text.as_bytes());
                    Ok(())
                }
            }
        }
        Parsed::Version => {
            let line = format!("{program} version {}, build {}\n", VERSION, BUILD);
            std::io::stdout().lock().write_all(line.as_bytes()).map_err(|why| Failure::output(&why))
        }
    }
}
