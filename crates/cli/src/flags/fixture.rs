//! A small tree for the tests of this module.

use super::command::{Arity, Command, Complete, Entry, Example, Flag};

/// What the tests' commands "call".
pub(super) type Run = &'static str;

pub(super) static ROOT: Command<Run> = Command {
    about: "Images without a daemon",
    usage: "[OPTIONS] COMMAND [ARG...]",
    flags: &[
        Flag::str("config", "Location of client config files").default("/root/.docker"),
        Flag::bool("debug", "Enable debug mode").short('D'),
        Flag::list("host", "Daemon socket to connect to").short('H'),
        Flag::bool("version", "Print version information and quit").short('v'),
    ],
    subcommands: &[
        Entry::new("run", &RUN).common(),
        Entry::new("images", &IMAGES).common(),
        Entry::new("image", &IMAGE),
        Entry::new("tag", &TAG),
        Entry::new("rmi", &RM),
        Entry::new("load", &LOAD),
        Entry::new("search", &SEARCH),
        Entry::new("import", &IMPORT),
        Entry::new("secret", &LOAD).hidden(),
    ],
    interspersed: false,
    ..Command::BASE
};

static IMAGE: Command<Run> = Command {
    about: "Manage images",
    subcommands: &[
        Entry::new("rm", &RM).aliases(&["remove"]),
        Entry::new("ls", &IMAGES).aliases(&["list"]),
        Entry::new("tag", &TAG),
    ],
    ..Command::BASE
};

static IMAGES: Command<Run> = Command {
    about: "List images",
    usage: "[OPTIONS] [REPOSITORY[:TAG]]",
    arity: Arity::AtMost(1),
    flags: &[
        Flag::bool("all", "Show all images (default hides intermediate images)").short('a'),
        Flag::bool("digests", "Show digests"),
        Flag::filter("filter", "Filter output based on conditions provided").short('f'),
        Flag::str(
            "format",
            "Format output using a custom template:\n'table':   Print output in table format\n'json':    Print in JSON format",
        ),
        Flag::bool("no-trunc", "Don't truncate output"),
        Flag::bool("quiet", "Only show image IDs").short('q'),
    ],
    examples: &[
        Example { text: "Ids only, for scripts", command: "images -q" },
        Example { text: "One repository", command: "images alpine" },
    ],
    complete: Complete::Images,
    run: Some("images"),
    ..Command::BASE
};

static RM: Command<Run> = Command {
    about: "Remove one or more images",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeast(1),
    flags: &[
        Flag::bool("force", "Force removal of the image").short('f'),
        Flag::comma_list("platform", "Remove only these platforms"),
    ],
    complete: Complete::Images,
    run: Some("rm"),
    ..Command::BASE
};

static TAG: Command<Run> = Command {
    about: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    arity: Arity::Exact(2),
    interspersed: false,
    complete: Complete::Images,
    run: Some("tag"),
    ..Command::BASE
};

static LOAD: Command<Run> = Command {
    about: "Load an image from a tar archive or STDIN",
    usage: "[OPTIONS]",
    flags: &[
        Flag::str("input", "Read from tar archive file, instead of STDIN").short('i'),
        Flag::bool("quiet", "Suppress output").short('q'),
    ],
    complete: Complete::Places,
    run: Some("load"),
    ..Command::BASE
};

static SEARCH: Command<Run> = Command {
    about: "Search for images",
    usage: "[OPTIONS] TERM",
    arity: Arity::Exact(1),
    arguments: &[&[("WORD", "what has it in its name")], &[("HOST/WORD", "the same on a host")]],
    flags: &[Flag::int("limit", "Max number of search results").default("25")],
    run: Some("search"),
    ..Command::BASE
};

static IMPORT: Command<Run> = Command {
    about: "Import the contents of a tarball to create a filesystem image",
    usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    arity: Arity::Range(1, 2),
    flags: &[Flag::list("change", "Apply an instruction").short('c')],
    complete: Complete::Files,
    run: Some("import"),
    ..Command::BASE
};

static RUN: Command<Run> = Command {
    about: "Create and run a new container from an image",
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    arity: Arity::AtLeast(1),
    flags: &[
        Flag::str("hostname", "Container host name").short('h'),
        Flag::bool("interactive", "Keep STDIN open").short('i'),
        Flag::str("network", "Connect a container to a network").value_name("network").complete(Complete::Networks),
        Flag::str("net", "Connect a container to a network").hidden().alias_of("network").complete(Complete::Networks),
        Flag::str("pull", "Pull image before running")
            .default("missing")
            .complete(Complete::Words(&["always", "missing", "never"]))
            .check(|text| match text {
                "always" | "missing" | "never" => Ok(()),
                _ => Err("unsupported".to_owned()),
            }),
        Flag::bool("sig-proxy", "Proxy received signals to the process").default("true"),
        Flag::bool("tty", "Allocate a pseudo-TTY").short('t'),
    ],
    interspersed: false,
    complete: Complete::Images,
    run: Some("run"),
    ..Command::BASE
};
