//! `buildx bake`: the targets of bake files, built one after the other. Each becomes the command line that `build` would have been
//! given for it, so that every word means the same in both.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;
use wharfie_bake::{Bake, Entitlements, Files, List, Means, Prompt, Request, Target};
use wharfie_engine::build::{Context as BuildContext, Definition};
use wharfie_oci::json::indented;
use wharfie_oci::{ImageId, Platform};

use crate::commands::build::{self, Source};
use crate::commands::{ROOT, Run};
use crate::context::{Context, reason};
use crate::env;
use crate::failure::{Failure, Result};
use crate::flags::{self, Arity, Command, Complete, Example, Flag, Matches, Needs, Parsed, Switch, Text, Texts};

const ALLOW: Texts = Texts::new("allow", "Allow build to access specified resources");
const CALL: Text =
    Text::new("call", "Set method for evaluating build (\"check\", \"outline\", \"targets\")").default("build");
const CHECK: Switch = Switch::new("check", "Shorthand for \"--call=check\"");
const FILE: Texts = Texts::new("file", "Build definition file").short('f').complete(Complete::Files);
const LIST: Text = Text::new("list", "List targets or variables");
const LOAD: Switch = Switch::new("load", "Shorthand for \"--set=*.output=type=docker\"");
const METADATA_FILE: Text = Text::new("metadata-file", "Write build result metadata to a file");
const NO_CACHE: Switch = Switch::new("no-cache", "Do not use cache when building the image");
const PRINT: Switch = Switch::new("print", "Print the options without building");
const PROGRESS: Text = Text::new(
    "progress",
    "Set type of progress output (\"auto\", \"none\", \"plain\", \"quiet\", \"rawjson\", \"json\", \"tty\")",
)
.default("auto");
const PROVENANCE: Text = Text::new("provenance", "Shorthand for \"--set=*.attest=type=provenance\"");
const PULL: Switch = Switch::new("pull", "Always attempt to pull all referenced images");
const PUSH: Switch = Switch::new("push", "Shorthand for \"--set=*.output=type=registry\"");
const SBOM: Text = Text::new("sbom", "Shorthand for \"--set=*.attest=type=sbom\"");
const SET: Texts = Texts::new("set", "Override target value (e.g., \"targetpattern.key=value\")");
const VAR: Texts = Texts::new("var", "Set a variable value (e.g., \"name=value\")");

/// `PROG buildx bake`.
pub(super) static COMMAND: Command<Run> = Command {
    about: "Build from a file",
    usage: "[OPTIONS] [TARGET...]",
    arity: Arity::Any,
    flags: &[
        ALLOW.flag(),
        Flag::str("builder", "Name of the builder: there is one, \"default\"").check(build::builder),
        CALL.flag(),
        CHECK.flag(),
        FILE.flag(),
        LIST.flag(),
        LOAD.flag(),
        METADATA_FILE.flag(),
        NO_CACHE.flag(),
        PRINT.flag(),
        PROGRESS.flag(),
        PROVENANCE.flag(),
        PULL.flag(),
        PUSH.flag(),
        SBOM.flag(),
        SET.flag(),
        VAR.flag(),
    ],
    examples: &[
        Example { text: "What docker-bake.hcl or compose.yaml calls its default", command: "buildx bake" },
        Example { text: "See what would be built", command: "buildx bake --print web" },
        Example { text: "With another tag", command: "buildx bake --set web.tags=web:2 web" },
    ],
    needs: Needs::Namespace,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    if matches.args().first().is_some_and(|word| word.contains("://")) {
        return Err(Failure::new("ERROR: bake files are read on this machine only: fetch the repository first"));
    }
    if matches.get(&PRINT) && matches.get(&LIST).is_some() {
        return Err(Failure::new("ERROR: --print and --list are mutually exclusive"));
    }
    let files = read_files(matches.get(&FILE))?;
    let variables = variables(matches.get(&VAR))?;
    let overrides = overrides(matches);
    let local = Platform::host().to_string();
    let home = env::home();
    let request = Request {
        files: &files,
        targets: matches.args(),
        overrides: &overrides,
        variables: &variables,
        environment: &env::text,
        neighbours: &|path| std::fs::read(path).ok(),
        local_platform: &local,
        command_context: "cwd://",
        means: Means { now: cx.now().seconds, entropy: &|buffer| fill(buffer), home: &home.to_string_lossy() },
    };
    let failed = |why: wharfie_bake::Error| Failure::new(format!("ERROR: {why}"));
    if let Some(list) = matches.get(&LIST) {
        return cx.print(&List::parse(list).and_then(|list| list.print(&request)).map_err(failed)?);
    }
    let bake = wharfie_bake::read(&request).map_err(failed)?;
    if matches.get(&PRINT) {
        return cx.print(&wharfie_bake::print(&bake));
    }
    allow(cx, matches, &bake)?;
    build_all(cx, matches, &bake)
}

/// Random bytes, for functions that want some.
fn fill(buffer: &mut [u8]) {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::rand::getrandom(&mut buffer[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(n) => filled += n,
            Err(rustix::io::Errno::INTR) => {}
            // The kernel has no reason to refuse once it is up.
            Err(_) => return,
        }
    }
}

/// The files that were named, or those that are there under the usual names.
fn read_files(named: &[String]) -> Result<Vec<(String, Vec<u8>)>> {
    let names: Vec<String> = match named {
        [] => {
            let there = std::fs::read_dir(".").into_iter().flatten().flatten();
            let there: Vec<String> = there.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            wharfie_bake::default_files(there.iter().map(String::as_str)).into_iter().map(str::to_owned).collect()
        }
        named => named.to_vec(),
    };
    if names.is_empty() {
        return Err(Failure::new("ERROR: couldn't find a bake definition"));
    }
    let read = |name: String| {
        let mut bytes = Vec::new();
        let read = match name.as_str() {
            "-" => std::io::stdin().read_to_end(&mut bytes).map(drop),
            path => std::fs::read(path.strip_prefix("cwd://").unwrap_or(path)).map(|read| bytes = read),
        };
        match read {
            Ok(()) => Ok((name, bytes)),
            Err(why) => Err(Failure::new(format!("ERROR: open {name}: {}", reason(&why)))),
        }
    };
    names.into_iter().map(read).collect()
}

fn variables(given: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Failure::new(format!("ERROR: invalid variable {text:?}, expected name=value"))),
    };
    given.iter().map(pair).collect()
}

/// `--set`, and the flags that stand for one.
fn overrides(matches: &Matches) -> Vec<String> {
    let mut overrides = matches.get(&SET).to_vec();
    let mut add = |text: String| overrides.push(text);
    if matches.get(&PUSH) {
        add("*.push=true".to_owned());
    }
    if matches.get(&LOAD) {
        add("*.load=true".to_owned());
    }
    if matches.is_given(&NO_CACHE) {
        add(format!("*.no-cache={}", matches.get(&NO_CACHE)));
    }
    if matches.is_given(&PULL) {
        add(format!("*.pull={}", matches.get(&PULL)));
    }
    for (flag, kind) in [(&SBOM, "sbom"), (&PROVENANCE, "provenance")] {
        match matches.get(flag) {
            None => {}
            Some("false" | "0") => add(format!("*.attest=type={kind},disabled=true")),
            Some("true" | "1") => add(format!("*.attest=type={kind}")),
            Some(more) => add(format!("*.attest=type={kind},{more}")),
        }
    }
    overrides
}

/// Asks for what the targets need besides what was allowed.
fn allow(cx: &Context, matches: &Matches, bake: &Bake) -> Result {
    let failed = |why: wharfie_bake::Error| Failure::new(format!("ERROR: {why}"));
    let here = std::path::absolute(".").unwrap_or_else(|_| PathBuf::from("/")).to_string_lossy().into_owned();
    let mut given = Entitlements::parse(matches.get(&ALLOW)).map_err(failed)?;
    given.grant(&bake.granted, &here);
    let missing = given.missing(bake, &Files { working_directory: &here, resolve: &resolve }).map_err(failed)?;
    let command: Vec<String> = cx.path.split(' ').map(str::to_owned).chain(matches.args().iter().cloned()).collect();
    let prompt = Prompt {
        is_remote: false,
        working_directory: &here,
        is_terminal: cx.is_in_terminal() && cx.is_err_terminal(),
        command: &command,
        environment: &env::text,
    };
    if let Some(prompted) = missing.prompt(&prompt).map_err(failed)? {
        cx.warn(&prompted.text);
        if prompted.is_required {
            let is_granted = match &prompted.question {
                Some(question) => cx.confirm_on_stderr(question),
                None => false,
            };
            if !is_granted {
                return Err(Failure::new(format!("ERROR: {}", wharfie_bake::Prompted::REFUSED)));
            }
        }
    }
    Ok(())
}

/// The part of a path that is there, without links, and the rest.
fn resolve(path: &str) -> std::io::Result<(String, String)> {
    let mut rest = Vec::new();
    let mut at = Path::new(path);
    loop {
        match at.canonicalize() {
            Ok(real) => {
                rest.reverse();
                return Ok((real.to_string_lossy().into_owned(), rest.join("/")));
            }
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => match (at.file_name(), at.parent()) {
                (Some(name), Some(parent)) => {
                    rest.push(name.to_string_lossy().into_owned());
                    at = parent;
                }
                _ => return Err(why),
            },
            Err(why) => return Err(why),
        }
    }
}

/// Builds the targets, those that others are made from first.
fn build_all(cx: &Context, matches: &Matches, bake: &Bake) -> Result {
    let mut built: BTreeMap<String, ImageId> = BTreeMap::new();
    let mut metadata = serde_json::Map::new();
    for name in in_order(bake) {
        let Some(target) = bake.targets.get(&name) else { continue };
        let words = words(matches, target);
        let parsed = flags::parse(&ROOT, &cx.program, &words, 0);
        let parsed = parsed.map_err(|why| Failure::with_code(why.text, why.code))?;
        let Parsed::Run(invocation) = parsed else {
            return Err(Failure::new(format!("ERROR: target {name} cannot be built")));
        };
        let (mut build, style) = build::prepare(cx, &invocation.matches, source(cx, target)?)?;
        for (context, from) in &target.contexts {
            if let Some(image) = from.strip_prefix("target:").and_then(|other| built.get(other)) {
                build.contexts.insert(context.to_lowercase(), BuildContext::Image(image.to_string()));
            }
        }
        let Some(result) = build::perform(cx, &invocation.matches, &build, style)? else { continue };
        if let Some(image) = result.images.first() {
            built.insert(name.clone(), image.id.clone());
        }
        metadata.insert(name, build::metadata(&build, &result));
    }
    match matches.get(&METADATA_FILE) {
        Some(path) => build::write(path, &indented(&json!(metadata).to_string(), "  ")),
        None => Ok(()),
    }
}

/// The targets' names, each after those that it is made from. There are no circles: they were refused.
fn in_order(bake: &Bake) -> Vec<String> {
    fn visit(bake: &Bake, name: &str, order: &mut Vec<String>) {
        if order.iter().any(|known| known == name) {
            return;
        }
        let contexts = bake.targets.get(name).into_iter().flat_map(|target| target.contexts.values());
        for other in contexts.filter_map(|context| context.strip_prefix("target:")) {
            visit(bake, other, order);
        }
        order.push(name.to_owned());
    }
    let mut order = Vec::new();
    bake.order.iter().for_each(|name| visit(bake, name, &mut order));
    order
}

/// The command line of a target.
fn words(matches: &Matches, target: &Target) -> Vec<String> {
    let mut words = vec!["build".to_owned()];
    let mut add = |flag: &str, value: &str| words.push(format!("--{flag}={value}"));
    add("progress", matches.get(&PROGRESS).unwrap_or_default());
    for (flag, pairs) in [("build-arg", &target.args), ("label", &target.labels)] {
        pairs.iter().for_each(|(name, value)| add(flag, &format!("{name}={value}")));
    }
    target.extra_hosts.iter().for_each(|(name, address)| add("add-host", &format!("{name}={address}")));
    let others = target.contexts.iter().filter(|(_, from)| !from.starts_with("target:"));
    others.for_each(|(name, from)| add("build-context", &format!("{name}={}", here(from))));
    target.annotations.iter().for_each(|text| add("annotation", text));
    target.attest.iter().for_each(|attest| add("attest", &attest.line()));
    target.tags.iter().flatten().for_each(|tag| add("tag", tag));
    target.cache_from.iter().for_each(|entry| add("cache-from", &entry.line()));
    target.cache_to.iter().flatten().for_each(|entry| add("cache-to", &entry.line()));
    target.secrets.iter().for_each(|secret| add("secret", &secret.line()));
    target.ssh.iter().for_each(|key| add("ssh", &key.line()));
    target.platforms.iter().flatten().for_each(|platform| add("platform", platform));
    if !target.is_linked {
        // Of a target that is only a context an image stays, for those that are made from it.
        target.outputs.iter().flatten().for_each(|output| add("output", &output.line()));
    }
    target.no_cache_filter.iter().for_each(|stage| add("no-cache-filter", stage));
    target.ulimits.iter().for_each(|limit| add("ulimit", limit));
    // What is asked for was granted before; of the rest there is nothing to allow here.
    let known = ["network.host", "security.insecure"];
    target.entitlements.iter().filter(|one| known.contains(&one.as_str())).for_each(|one| add("allow", one));
    if let Some(stage) = &target.target {
        add("target", stage);
    }
    if let Some(network) = &target.network {
        add("network", network);
    }
    if let Some(size) = &target.shm_size {
        add("shm-size", size);
    }
    if let Some(limits) = &target.resources {
        let numbers =
            [("cpu-shares", limits.cpu_shares), ("cpu-period", limits.cpu_period), ("cpu-quota", limits.cpu_quota)];
        numbers.iter().for_each(|(flag, value)| value.iter().for_each(|value| add(flag, &value.to_string())));
        let texts = [
            ("memory", &limits.memory),
            ("memory-swap", &limits.memory_swap),
            ("cpuset-cpus", &limits.cpuset_cpus),
            ("cpuset-mems", &limits.cpuset_mems),
        ];
        texts.iter().for_each(|(flag, value)| value.iter().for_each(|value| add(flag, value)));
    }
    add("pull", &target.pull.unwrap_or(false).to_string());
    add("no-cache", &target.no_cache.unwrap_or(false).to_string());
    let call = match (matches.get(&CHECK), matches.is_given(&CALL)) {
        (true, _) => Some("check"),
        (false, true) => matches.get(&CALL),
        (false, false) => target.call.as_deref(),
    };
    if let Some(call) = call {
        add("call", call);
    }
    words.push(".".to_owned());
    words
}

/// A path from where the user stands.
fn here(text: &str) -> &str {
    text.strip_prefix("cwd://").unwrap_or(text)
}

/// What is built, and from what.
fn source(cx: &Context, target: &Target) -> Result<Source> {
    let context = match target.context.as_deref().map(here) {
        None | Some("") => ".",
        Some(context) => context,
    };
    if let Some(text) = &target.dockerfile_inline {
        let files = match Path::new(context).is_dir() {
            true => BuildContext::Directory(context.into()),
            // A context from elsewhere is found as it always is; only what it would build is not its own.
            false => build::find(cx, context, Some("Dockerfile"))?.files,
        };
        return Ok(Source {
            files,
            definition: Definition::Text(text.clone().into_bytes()),
            dockerfile_name: "Dockerfile".to_owned(),
            ignore: None,
        });
    }
    let file = target.dockerfile.as_deref().map(|file| match file.strip_prefix("cwd://") {
        Some(file) => file.to_owned(),
        // Beneath the context, unless it is absolute or the context is elsewhere.
        None if Path::new(context).is_dir() => Path::new(context).join(file).to_string_lossy().into_owned(),
        None => file.to_owned(),
    });
    build::find(cx, context, file.as_deref())
}
