//! Whole-process measurements against dockerd, interleaved in one run: CPU seconds (user + system) of everything a
//! command causes, daemons included, with the physical floor beside it. Wall time is reported of one case only: on
//! shared machines it is noise. So is the memory that keepers of idle containers hold. Run it as root with `cargo xtask bench [ROUNDS [short|scale|build|insight [ADVISORIES]|registry]]`; the results go to stdout as the table that
//! `docs/benchmarks.md` shows.

mod buckets;
mod builds;
mod cases;
mod cpu;
mod docker;
mod floor;
mod held;
mod inputs;
mod insight;
mod place;
mod registry;
mod report;

use std::process::ExitCode;

/// Anything may fail; the text says what.
type Result<T = ()> = std::result::Result<T, String>;

/// Rounds when nothing is said: the fewest whose median means something.
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(wharfie) = words.next() else {
        report::say("usage: wharfie-bench PROGRAM [ROUNDS [short|scale|build|insight [ADVISORIES]|registry]]");
        return ExitCode::FAILURE;
    };
    let rounds = words.next().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let which = match words.next().as_deref() {
        Some("short") => cases::Which::Short,
        Some("build") => cases::Which::Build,
        Some("insight") => cases::Which::Insight,
        Some("registry") => cases::Which::Registry,
        Some("scale") => cases::Which::Scale,
        _ => cases::Which::All,
    };
    let advisories = words.next().map(std::path::PathBuf::from);
    match cases::run(wharfie.into(), rounds, which, advisories) {
        Ok(report) => {
            report::print(&report);
            ExitCode::SUCCESS
        }
        Err(why) => {
            report::say(&why);
            ExitCode::FAILURE
        }
    }
}
