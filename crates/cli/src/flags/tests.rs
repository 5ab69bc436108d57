//! The grammar and its texts, against the small tree of `fixture`.

use proptest::prelude::*;

use super::fixture::ROOT;
use super::*;

fn words(line: &str) -> Vec<String> {
    line.split(' ').filter(|word| !word.is_empty()).map(|word| word.replace('~', " ")).collect()
}

fn run(line: &str) -> Invocation<&'static str> {
    match parse(&ROOT, "docker", &words(line), 0) {
        Ok(Parsed::Run(invocation)) => invocation,
        Ok(_) => panic!("{line}: help or version"),
        Err(error) => panic!("{line}: {error}"),
    }
}

fn fails(line: &str, code: u8, expected: &str) {
    let error = parse(&ROOT, "docker", &words(line), 0).err().unwrap_or_else(|| panic!("{line} is accepted"));
    assert_eq!((error.code, error.text.as_str()), (code, expected), "{line}");
}

fn flag_error(line: &str, message: &str) {
    let usage = "Usage:  docker images [OPTIONS] [REPOSITORY[:TAG]]";
    fails(line, 125, &format!("{message}\n\n{usage}\n\nRun 'docker images --help' for more information"));
}

fn helps(line: &str, expected: Stream) -> String {
    match parse(&ROOT, "docker", &words(line), 0) {
        Ok(Parsed::Help { text, stream, .. }) => {
            assert_eq!(stream, expected, "{line}");
            text
        }
        _ => panic!("{line} shows no help"),
    }
}

#[test]
fn a_command_has_several_paths() {
    assert_eq!(run("images").path, "docker images");
    assert_eq!(run("image ls").path, "docker image ls");
    assert_eq!(run("image list").path, "docker image ls");
    assert_eq!(run("image remove x").run, "rm");
}

#[test]
fn long_flags() {
    let found = run("images --filter=a=b --filter c=d --all --no-trunc=false --quiet=T web").matches;
    assert_eq!(found.values("filter"), ["a=b", "c=d"]);
    assert!(found.flag("all") && found.flag("quiet") && !found.flag("no-trunc"));
    assert!(found.is_set("no-trunc") && !found.is_set("digests"));
    assert_eq!(found.args(), ["web"]);
}

#[test]
fn short_flags_cluster_and_take_values_attached_or_apart() {
    for line in [
        "images -fdangling=true",
        "images -f dangling=true",
        "images -f=dangling=true",
        "images -qf dangling=true",
        "images -qfdangling=true",
    ] {
        assert_eq!(run(line).matches.filters("filter"), [("dangling".to_owned(), "true".to_owned())], "{line}");
    }
    let found = run("images -qa").matches;
    assert!(found.flag("quiet") && found.flag("all"));
    assert!(!run("images -qa=false").matches.flag("all"));
}

#[test]
fn a_switch_never_takes_the_next_word() {
    assert_eq!(run("images --all true").matches.args(), ["true"]);
    assert_eq!(run("images -a false").matches.args(), ["false"]);
}

#[test]
fn flags_follow_arguments_unless_the_command_says_no() {
    assert!(run("images shop -q").matches.flag("quiet"));
    assert_eq!(run("run -i web -t --net x").matches.args(), ["web", "-t", "--net", "x"]);
    assert_eq!(run("images -- -q").matches.args(), ["-q"]);
    assert_eq!(run("images -").matches.args(), ["-"]);
    assert_eq!(run("run -- web --help").matches.args(), ["web", "--help"]);
    assert_eq!(run("run a --").matches.args(), ["a", "--"]);
}

#[test]
fn flag_errors() {
    flag_error("images --nope", "unknown flag: --nope");
    flag_error("images --nope=3", "unknown flag: --nope");
    flag_error("images --=3", "bad flag syntax: --=3");
    flag_error("images ---", "bad flag syntax: ---");
    flag_error("images -xyz", "unknown shorthand flag: 'x' in -xyz");
    flag_error("images -qx", "unknown shorthand flag: 'x' in -x");
    flag_error("images -é", "unknown shorthand flag: 'Ã' in -é");
    flag_error("images --filter", "flag needs an argument: --filter");
    flag_error("images -f", "flag needs an argument: 'f' in -f");
    flag_error("images -qf", "flag needs an argument: 'f' in -f");
    flag_error(
        "images --all=maybe",
        "invalid argument \"maybe\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
    );
    flag_error(
        "images --digests=",
        "invalid argument \"\" for \"--digests\" flag: strconv.ParseBool: parsing \"\": invalid syntax",
    );
    flag_error(
        "images -f foo",
        "invalid argument \"foo\" for \"-f, --filter\" flag: bad format of filter (expected name=value)",
    );
    flag_error("images --help --nope", "unknown flag: --nope");
}

#[test]
fn values_are_checked_where_they_stand() {
    fails(
        "search --limit ten x",
        125,
        "invalid argument \"ten\" for \"--limit\" flag: strconv.ParseInt: parsing \"ten\": invalid syntax\n\nUsage:  docker search [OPTIONS] TERM\n\nRun 'docker search --help' for more information",
    );
    fails(
        "search --limit 99999999999999999999 x",
        125,
        "invalid argument \"99999999999999999999\" for \"--limit\" flag: strconv.ParseInt: parsing \"99999999999999999999\": value out of range\n\nUsage:  docker search [OPTIONS] TERM\n\nRun 'docker search --help' for more information",
    );
    fails(
        "run --pull often web",
        125,
        "invalid argument \"often\" for \"--pull\" flag: unsupported\n\nUsage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'docker run --help' for more information",
    );
}

#[test]
fn defaults_and_other_spellings() {
    assert_eq!(run("search x").matches.int("limit"), 25);
    assert_eq!(run("search --limit=-3 x").matches.int("limit"), -3);
    let found = run("run --net none web").matches;
    assert_eq!(
        (found.value("network"), found.value("pull"), found.value("hostname")),
        (Some("none"), Some("missing"), None)
    );
    assert!(found.flag("sig-proxy") && !found.is_set("sig-proxy"));
    assert!(!run("run --sig-proxy=0 web").matches.flag("sig-proxy"));
    assert_eq!(run("rmi --platform a,b --platform c x").matches.values("platform"), ["a", "b", "c"]);
    assert_eq!(run("import -c CMD~a,b -").matches.values("change"), ["CMD a,b"]);
    assert_eq!(run("run -h box web").matches.value("hostname"), Some("box"));
}

#[test]
fn filters_are_normalised_and_empty_ones_dropped() {
    let found = run("images -f LABEL=K=V --filter= -f ~before~=~x~").matches;
    let pairs: Vec<(String, String)> =
        [("label", "K=V"), ("before", "x")].map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
    assert_eq!(found.filters("filter"), pairs);
}

#[test]
fn count_errors() {
    let last = |path: &str| format!("'{path} --help' for more information");
    let (tag, rm, load, import) = (last("docker tag"), last("docker rmi"), last("docker load"), last("docker import"));
    fails(
        "tag a",
        1,
        &format!(
            "docker: 'docker tag' requires 2 arguments\n\nUsage:  docker tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]\n\nRun {tag}"
        ),
    );
    fails(
        "search",
        1,
        "docker: 'docker search' requires 1 argument\n\nUsage:  docker search [OPTIONS] TERM\n\nRun 'docker search --help' for more information",
    );
    fails(
        "rmi -f",
        1,
        &format!(
            "docker: 'docker rmi' requires at least 1 argument\n\nUsage:  docker rmi [OPTIONS] IMAGE [IMAGE...]\n\nSee {rm}"
        ),
    );
    fails(
        "load x",
        1,
        &format!("docker: 'docker load' accepts no arguments\n\nUsage:  docker load [OPTIONS]\n\nRun {load}"),
    );
    fails(
        "image list a b",
        1,
        "docker: 'docker image ls' requires at most 1 argument\n\nUsage:  docker image ls [OPTIONS] [REPOSITORY[:TAG]]\n\nRun 'docker image ls --help' for more information",
    );
    fails(
        "import",
        1,
        &format!(
            "docker: 'docker import' requires at least 1 and at most 2 arguments\n\nUsage:  docker import [OPTIONS] file|URL|- [REPOSITORY[:TAG]]\n\nRun {import}"
        ),
    );
}

#[test]
fn unknown_commands() {
    fails("frob", 1, "docker: unknown command: docker frob\n\nRun 'docker --help' for more information");
    let usage = "Usage:  docker [OPTIONS] COMMAND [ARG...]\n\nRun 'docker --help' for more information";
    fails("frob a --x", 125, &format!("unknown flag: --x\n\n{usage}"));
    fails("frob -- --x", 1, "docker: unknown command: docker frob\n\nRun 'docker --help' for more information");
    fails(
        "image frob",
        1,
        "docker: unknown command: docker image frob\n\nUsage:  docker image\n\nRun 'docker image --help' for more information",
    );
    fails(
        "image --x",
        125,
        "unknown flag: --x\n\nUsage:  docker image\n\nRun 'docker image --help' for more information",
    );
    fails(
        "--nope images",
        125,
        "unknown flag: --nope\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]\n\nRun 'docker --help' for more information",
    );
}

#[test]
fn global_flags_stand_before_the_command() {
    let found = run("--config /x -D -Htcp://y images -q");
    assert_eq!(found.globals.value("config"), Some("/x"));
    assert!(found.globals.flag("debug"));
    assert_eq!(found.globals.values("host"), ["tcp://y"]);
    flag_error("images --config /x", "unknown flag: --config");
    assert!(matches!(parse(&ROOT, "docker", &words("-v images"), 0), Ok(Parsed::Version)));
}

#[test]
fn help_goes_where_it_was_asked() {
    let images = helps("images --help", Stream::Stdout);
    assert!(images.starts_with("Usage:  docker images [OPTIONS] [REPOSITORY[:TAG]]\n"));
    assert_eq!(helps("help images", Stream::Stdout), images);
    assert_eq!(helps("images x -qh", Stream::Stdout), images);
    assert_eq!(help(&ROOT, "docker", &["images"]).as_deref(), Some(images.as_str()));
    let group = helps("image", Stream::Stderr);
    assert_eq!(helps("image --help", Stream::Stdout), group);
    assert_eq!(helps("help image", Stream::Stdout), group);
    let top = helps("", Stream::Stderr);
    assert_eq!(helps("--help", Stream::Stdout), top);
    assert_eq!(helps("help", Stream::Stdout), top);
    fails("help nonsense", 1, "unknown help topic: nonsense");
    fails("help image frob x", 1, "unknown help topic: frob x");
}

#[test]
fn help_of_a_command() {
    let expected = "\
Usage:  docker image ls [OPTIONS] [REPOSITORY[:TAG]]

List images

Aliases:
  docker image ls, docker image list, docker images

Options:
  -a, --all             Show all images (default hides intermediate images)
      --digests         Show digests
  -f, --filter filter   Filter output based on conditions provided
      --format string   Format output using a custom template:
                        'table':   Print output in table format
                        'json':    Print in JSON format
      --no-trunc        Don't truncate output
  -q, --quiet           Only show image IDs

Examples:
  # Ids only, for scripts
  docker images -q

  # One repository
  docker images alpine
";
    assert_eq!(helps("image ls --help", Stream::Stdout), expected);
}

#[test]
fn help_of_flags_with_defaults() {
    let text = helps("run --help", Stream::Stdout);
    assert!(text.contains("\n      --network network   Connect a container to a network\n"), "{text}");
    assert!(text.contains("\n      --pull string       Pull image before running (default \"missing\")\n"), "{text}");
    assert!(
        text.contains("\n      --sig-proxy         Proxy received signals to the process (default true)\n"),
        "{text}"
    );
    assert!(
        helps("search --help", Stream::Stdout).contains("  --limit int   Max number of search results (default 25)\n")
    );
}

#[test]
fn help_says_what_arguments_can_be() {
    let told = helps("search --help", Stream::Stdout);
    let expected = "\nArguments:\n  WORD        what has it in its name\n  HOST/WORD   the same on a host\n";
    assert!(told.ends_with(expected), "{told}");
    let page = manpage(&ROOT, "wharfie", &["search"]).unwrap();
    assert!(page.contains(".SH ARGUMENTS\n.TP\n\\fBWORD\\fR\nwhat has it in its name\n.TP\n\\fBHOST/WORD"), "{page}");
}

#[test]
fn help_of_the_program() {
    let expected = "\
Usage:  docker [OPTIONS] COMMAND

Images without a daemon

Common Commands:
  run         Create and run a new container from an image
  images      List images

Management Commands:
  image       Manage images

Commands:
  import      Import the contents of a tarball to create a filesystem image
  load        Load an image from a tar archive or STDIN
  rmi         Remove one or more images
  search      Search for images
  tag         Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE

Global Options:
      --config string   Location of client config files (default \"/root/.docker\")
  -D, --debug           Enable debug mode
  -H, --host list       Daemon socket to connect to
  -v, --version         Print version information and quit

Run 'docker COMMAND --help' for more information on a command.
";
    assert_eq!(helps("--help", Stream::Stdout), expected);
}

proptest! {
    #[test]
    fn any_words_end_in_an_answer(line in proptest::collection::vec("(-{0,3}[a-z=]{0,4}|images|image|ls|run|\\PC{0,6})", 0..6)) {
        let _ = parse(&ROOT, "docker", &line, 0);
    }

    #[test]
    fn what_is_given_is_read_back(filters in proptest::collection::vec("[a-z]{1,5}=\\PC{0,8}", 0..4), quiet: bool, args in proptest::option::of("[^-]\\PC{0,8}"), form in 0..4u8) {
        let mut line = vec!["images".to_owned()];
        line.extend(args.clone());
        for filter in &filters {
            match form {
                0 => line.push(format!("--filter={filter}")),
                1 => line.extend(["--filter".to_owned(), filter.clone()]),
                2 => line.push(format!("-f{filter}")),
                _ => line.extend(["-f".to_owned(), filter.clone()]),
            }
        }
        line.push(format!("--quiet={quiet}"));
        let Ok(Parsed::Run(found)) = parse(&ROOT, "docker", &line, 0) else { panic!("{line:?} is refused") };
        prop_assert_eq!(found.matches.values("filter"), filters);
        prop_assert_eq!(found.matches.flag("quiet"), quiet);
        prop_assert_eq!(found.matches.arg(0), args.as_deref());
    }
}
