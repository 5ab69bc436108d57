//! wharfie's development commands: one door for everything, so that README, CI and people run the same thing.

mod demo;
mod garage;
mod moto;
mod packages;
mod process;
mod tests;
mod tidy;

use std::process::ExitCode;

/// Development commands may fail for any reason; the text says which.
type Result<T = ()> = std::result::Result<T, String>;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  demo      the main job on real input: a registry, a Debian image, pushed, pulled, listed, saved, loaded, removed
  test      everything CI runs: formatting, lints, arrows, all tests
  check     the quick part of test: formatting, lints, arrows
  tidy      the arrows between rooms, licences, sources, file sizes
  test-s3   the registry on buckets: moto, Garage on one node and on three, and with a node away (builds Garage once)
  slow      tests that take minutes: a 1 GiB layer, crash points, 1,000 images
  bench     CPU and memory against other engines; see docs/benchmarks.md
  fuzz      run every fuzz target for a minute (needs a nightly toolchain and cargo-fuzz)
  dist      the binary that is released, its completions and manual pages, in target/dist-files
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["demo"] => demo::run(),
        ["test"] => tests::test(),
        ["check"] => tests::check(),
        ["tidy"] => tidy::run(),
        ["test-s3"] => tests::test_s3(),
        ["slow"] => tests::slow(),
        ["bench", rest @ ..] => tests::bench(rest),
        ["fuzz"] => tests::fuzz(),
        ["dist"] => tests::dist(),
        _ => Err(HELP.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            process::say(&why);
            ExitCode::FAILURE
        }
    }
}
