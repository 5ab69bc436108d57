//! Checking and measuring.

use std::path::PathBuf;

use crate::packages::{self, BENCH, TESTS};
use crate::process::{output, root, run, run_with, say};
use crate::{Result, garage, moto, tidy};

/// Everything CI runs.
pub(crate) fn test() -> Result {
    packages::ensure(TESTS)?;
    moto::ensure()?;
    check()?;
    // The program first: end-to-end tests start it.
    run("cargo", &["build", "--locked", "--package", "wharfie"])?;
    run("cargo", &["test", "--locked", "--workspace", "--no-fail-fast"])
}

/// Formatting, lints and arrows.
pub(crate) fn check() -> Result {
    run("cargo", &["fmt", "--all", "--check"])?;
    tidy::run()?;
    run("cargo", &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

/// The tests that are too slow for every change; they are marked `ignored` with that reason.
pub(crate) fn slow() -> Result {
    packages::ensure(TESTS)?;
    moto::ensure()?;
    run("cargo", &["build", "--locked", "--release", "--package", "wharfie"])?;
    run("cargo", &["test", "--locked", "--release", "--workspace", "--", "--ignored", "--test-threads", "1"])
}

/// The tests of the registry on a bucket, on every service.
pub(crate) fn test_s3() -> Result {
    packages::ensure(TESTS)?;
    moto::ensure()?;
    let program = garage::ensure()?;
    let program = program.to_string_lossy();
    for engine in ENGINES {
        let environment = [("WHARFIE_TEST_S3", *engine), (garage::PROGRAM, &*program)];
        let packages = ["--package", "wharfie-registry", "--package", "wharfie", "--test", "it"];
        run_with(
            "cargo",
            &[&["test", "--locked"], &packages[..], &["--", "bucket", "several_servers"]].concat(),
            &environment,
        )?;
    }
    Ok(())
}

/// As `crates/testkit/src/buckets.rs` knows them.
const ENGINES: &[&str] = &["moto", "garage", "garage-3", "garage-3-disturbed"];

/// Measures whole processes against other engines.
pub(crate) fn bench(words: &[&str]) -> Result {
    packages::ensure(TESTS)?;
    packages::ensure(BENCH)?;
    moto::ensure()?;
    let released = released()?;
    run("cargo", &["build", "--locked", "--release", "--package", "wharfie-bench"])?;
    let program = root().join("target/release/wharfie-bench");
    run(&program.to_string_lossy(), &[&[&*released.to_string_lossy()], words].concat())
}

/// A minute for each target.
pub(crate) fn fuzz() -> Result {
    let list = output("cargo", &["fuzz", "list"])
        .map_err(|why| format!("{why}\nfuzzing needs a nightly toolchain and `cargo install cargo-fuzz`"))?;
    for target in list.lines() {
        run("cargo", &["fuzz", "run", target, "--", "-max_total_time=60"])?;
    }
    Ok(())
}

/// Builds the program as it is released and gives its path. It needs no library of the machine's: it runs everywhere,
/// and a short command costs a third less CPU when nothing has to be linked at its start.
fn released() -> Result<PathBuf> {
    let commit = output("git", &["rev-parse", "--short=7", "HEAD"])?;
    let about = output("rustc", &["--version", "--verbose"])?;
    let target = about.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc does not name its host")?;
    // With a target named, the flags are for the program alone, not for what builds it. A static program is a position
    // independent one as well: it unpacks hostile layers as root, and where its code lies is nobody's to know.
    // Its 11,000 addresses are packed into 4 kB instead of 260: less to read at the start of every command.
    let flags = "-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs";
    let environment = [("WHARFIE_BUILD", commit.trim()), ("RUSTFLAGS", flags)];
    let words = ["build", "--locked", "--profile", "dist", "--package", "wharfie", "--target", target];
    run_with("cargo", &words, &environment)?;
    Ok(root().join("target").join(target).join("dist/wharfie"))
}

/// The released binary and the files beside it.
pub(crate) fn dist() -> Result {
    let program = released()?;
    let files = root().join("target/dist-files");
    std::fs::create_dir_all(&files).map_err(|why| why.to_string())?;
    let program = program.to_string_lossy();
    let write = |name: &str, text: String| {
        std::fs::write(files.join(name), text).map_err(|why| format!("cannot write {name}: {why}"))
    };
    std::fs::copy(&*program, files.join("wharfie")).map_err(|why| why.to_string())?;
    write("wharfie.bash", output(&program, &["completion", "bash"])?)?;
    write("_wharfie", output(&program, &["completion", "zsh"])?)?;
    write("wharfie.fish", output(&program, &["completion", "fish"])?)?;
    write("wharfie.1", output(&program, &["manpage"])?)?;
    say(&format!("released files are in {}", files.display()));
    Ok(())
}
