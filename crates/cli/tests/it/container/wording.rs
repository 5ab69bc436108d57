//! What docker says, word for word.

use super::box_host;

const DAEMON: &str = "Error response from daemon: ";

#[test]
fn run_and_create_refuse_what_makes_no_sense() {
    let Some(host) = box_host() else { return };
    let flag = |command: &str, value: &str, name: &str, why: &str| {
        format!(
            "invalid argument \"{value}\" for \"{name}\" flag: {why}\n\nUsage:  wharfie {command} [OPTIONS] IMAGE \
             [COMMAND] [ARG...]\n\nRun 'wharfie {command} --help' for more information"
        )
    };
    let cases = [
        ("zz", "-m, --memory", "invalid size: 'zz'"),
        ("x", "--cpus", "failed to parse x as a rational number"),
        ("x", "-a, --attach", "valid streams are STDIN, STDOUT and STDERR"),
        ("x", "--add-host", "bad format for add-host: \"x\""),
        ("", "-e, --env", "invalid environment variable: "),
        ("1", "--health-timeout", "time: invalid duration \"1\""),
        ("x", "--ulimit", "invalid ulimit argument: x"),
        ("x", "--dns", "IP address is not correctly formatted: x"),
        ("x", "--sysctl", "sysctl 'x' is not allowed"),
        ("type=what,target=/x", "--mount", "invalid mount type \"what\""),
    ];
    for (value, name, why) in cases {
        let word = format!("{}={value}", name.split(' ').next_back().unwrap());
        host.run(&["run", &word, "box:1"]).fails(125, &flag("run", value, name, why));
        host.run(&["create", &word, "box:1"]).fails(125, &flag("create", value, name, why));
    }
    for (words, text) in [
        (&["--restart", "foo:x"][..], "invalid restart policy format: maximum retry count must be an integer"),
        (&["--device", "/dev/null:/dev/x:bad"], "bad mode specified: bad"),
        (&["--device", "/a:/b:r:w"], "bad format for path: /a:/b:r:w"),
        (&["--no-healthcheck", "--health-cmd", "x"], "--no-healthcheck conflicts with --health-* options"),
    ] {
        let text = format!("wharfie: {text}\n\nRun 'wharfie create --help' for more information");
        host.run(&[&["create"], words, &["box:1"]].concat()).fails(125, &text);
    }
    for (words, text) in [
        (&["-m", "1m"][..], "Minimum memory limit allowed is 6MB"),
        (&["--memory-swap", "9m"], "You should always set the Memory limit when using Memoryswap limit, see usage"),
        (
            &["-m", "9m", "--memory-swap", "8m"],
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (&["-w", "rel"], "the working directory 'rel' is invalid, it needs to be an absolute path"),
        (&["--tmpfs", "x"], "invalid mount path: 'x' mount path must be absolute"),
        (&["-v", "a:b:c:d"], "invalid volume specification: 'a:b:c:d'"),
    ] {
        host.run(&[&["create"], words, &["box:1"]].concat()).fails(1, &format!("{DAEMON}{text}"));
    }
    let pull = "invalid pull option: 'foo': must be one of \"always\", \"missing\" or \"never\"";
    for command in ["run", "create"] {
        let tail = format!("\n\nRun 'wharfie {command} --help' for more information");
        host.run(&[command, "--pull", "foo", "box:1"]).fails(125, &format!("wharfie: {pull}{tail}"));
    }
    let mode = "wharfie: --pid: invalid PID mode\n\nRun 'wharfie create --help' for more information";
    host.run(&["create", "--pid", "x", "box:1"]).fails(125, mode);
    let option = "wharfie: invalid --security-opt: \"x\"\n\nRun 'wharfie run --help' for more information";
    host.run(&["run", "--security-opt", "x", "box:1"]).fails(125, option);
    let name = format!(
        "{DAEMON}create rel/path: \"rel/path\" includes invalid characters for a local volume name, only \
         \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    );
    host.run(&["create", "-v", "rel/path:/x", "box:1"]).fails(1, &name);
    host.run(&["create", "--stop-signal", "FOO", "box:1"]).fails(1, &format!("{DAEMON}Invalid signal: FOO"));
    host.run(&["ps", "-aq"]).prints("");
}

#[test]
fn what_only_the_daemon_can_refuse_is_refused_in_its_words() {
    let Some(host) = box_host() else { return };
    let device = "error gathering device information while adding custom device";
    let cases = [
        (["--ipc", "foo"], "invalid IPC mode: foo".to_owned()),
        (["--cap-add", "foo"], "invalid CapAdd: unknown capability: \"CAP_FOO\"".to_owned()),
        (["--cap-drop", "CAP_FOO"], "invalid CapDrop: unknown capability: \"CAP_FOO\"".to_owned()),
        (["--device", "/dev/nope"], format!("{device} \"/dev/nope\": no such file or directory")),
        (["--device", "/etc/passwd"], format!("{device} \"/etc/passwd\": not a device node")),
    ];
    for (flags, text) in cases {
        let text = format!("wharfie: {DAEMON}{text}\n\nRun 'wharfie run --help' for more information");
        host.run(&[&["run", "--rm"], &flags[..], &["box:1", "true"]].concat()).fails(125, &text);
    }
    host.run(&["create", "--cap-add", "foo", "box:1"])
        .fails(1, &format!("{DAEMON}invalid CapAdd: unknown capability: \"CAP_FOO\""));
    host.run(&["run", "-d", "--name", "one", "box:1", "sleep", "1000"]).succeeds();
    let text = "OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd (\"/nope\") set in \
                config.json failed: no such file or directory: unknown";
    host.run(&["exec", "-w", "/nope", "one", "pwd"]).fails(126, &format!("{DAEMON}{text}"));
    host.run(&["rm", "-f", "one"]).succeeds();
}

#[test]
fn both_forms_of_cp_are_shown() {
    let Some(host) = box_host() else { return };
    let help = host.run(&["cp", "--help"]).succeeds();
    let usage = "Usage:  wharfie cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\twharfie cp [OPTIONS] SRC_PATH|- \
                 CONTAINER:DEST_PATH\n\n";
    assert!(help.starts_with(usage), "{help}");
    // Half a path is none: all of a container would lie in the folder.
    host.run(&["cp", "web:", "."]).fails(1, "Error response from daemon: bad parameter: pathcannot be empty");
    host.run(&["cp", "a", "web:"]).fails(1, "no such directory");
}

#[test]
fn options_that_change_nothing_are_said() {
    let Some(host) = box_host() else { return };
    let outcome = host.run(&["run", "--rm", "--blkio-weight", "10", "box:1", "echo", "hello"]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()),
        (0, "hello\n", "WARNING: --blkio-weight is not supported and changes nothing\n")
    );
}

#[test]
fn details_of_logs_are_none_but_their_blank() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "--name", "one", "box:1", "echo", "hello"]).prints("hello\n");
    host.run(&["logs", "--details", "one"]).prints(" hello\n");
    host.run(&["logs", "--until", "1h", "one"]).prints("");
    host.run(&["-l", "loud", "logs", "one"]).fails(1, "Unable to parse logging level: loud");
}

#[test]
fn names_are_given_once_and_long_enough() {
    let Some(host) = box_host() else { return };
    host.run(&["create", "--name", "one", "box:1"]).succeeds();
    host.run(&["rename", "one", "one"])
        .fails(
            1,
            &format!(
                "{DAEMON}Renaming a container with the same name as its current name\nError: failed to rename container named one"
            ),
        );
    host.run(&["rm", "--link", "one"])
        .fails(1, &format!("{DAEMON}Conflict, cannot remove the default link name of the container"));
    host.run(&["exec", "-it", "nope", "sh"]).fails(1, &format!("{DAEMON}No such container: nope"));
    host.run(&["volume", "create", "x"]).fails(
        1,
        &format!("{DAEMON}create: volume name is too short, names should be at least two alphanumeric characters"),
    );
}

#[test]
fn the_disk_usage_of_containers_and_volumes_reaches_templates() {
    let Some(host) = box_host() else { return };
    let id = super::id(&host.run(&["create", "--name", "one", "-v", "data:/x", "box:1"]).succeeds());
    let template = "{{range .Containers}}{{.ID}} {{.Names}} {{.Size}}{{end}} {{range .Volumes}}{{.Name}} {{.Links}} \
                    {{.Size}}{{end}} {{len .BuildCache}}";
    host.run(&["system", "df", "-v", "--format", template]).prints(&format!("{id} one 0B data 1 0B 0"));
}

#[test]
fn pruning_keeps_volumes_with_other_labels() {
    let Some(host) = box_host() else { return };
    host.run(&["volume", "create", "--label", "keep=no", "aa"]).succeeds();
    host.run(&["volume", "create", "bb"]).succeeds();
    let anonymous = host.run(&["volume", "create"]).succeeds();
    host.run(&["volume", "prune", "-f", "--filter", "x=y"]).fails(1, &format!("{DAEMON}invalid filter 'x'"));
    host.run(&["system", "prune", "-f", "--volumes", "--filter", "label=keep"]).prints("Total reclaimed space: 0B\n");
    host.run(&["volume", "prune", "-af", "--filter", "label=keep=no"])
        .prints("Deleted Volumes:\naa\n\nTotal reclaimed space: 0B\n");
    host.run(&["volume", "prune", "-f"]).prints(&format!("Deleted Volumes:\n{anonymous}\nTotal reclaimed space: 0B\n"));
    host.run(&["volume", "ls", "-q"]).prints("bb\n");
}

#[test]
fn there_is_no_build_cache_to_prune() {
    let Some(host) = box_host() else { return };
    host.run(&["builder", "prune", "-af"]).prints("Total reclaimed space: 0B\n");
    host.run(&["builder", "prune", "-f", "--keep-storage", "1GB", "--filter", "until=1h"])
        .prints("Total reclaimed space: 0B\n");
    assert_eq!(host.run(&["builder", "prune", "-f", "--filter", "foo=x"]).code, 125);
    host.run(&["builder", "prune", "-a"])
        .prints("WARNING! This will remove all build cache. Are you sure you want to continue? [y/N] ");
}

#[test]
fn exit_statuses_of_the_container_are_passed_on_without_a_word() {
    let Some(host) = box_host() else { return };
    for code in [1, 125, 126, 127, 255] {
        let outcome = host.run(&["run", "--rm", "box:1", "sh", "-c", &format!("exit {code}")]);
        assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (code, "", ""));
    }
}

#[test]
fn lists_have_every_field_and_refuse_unknown_filters() {
    let Some(host) = box_host() else { return };
    host.run(&["create", "--name", "one", "box:1", "true"]).succeeds();
    let raw = host.run(&["ps", "-a", "--format", "raw"]).succeeds();
    assert!(raw.ends_with("names: one\nlabels:\nports:\n\n"), "{raw}");
    let raw = host.run(&["ps", "-as", "--format", "raw"]).succeeds();
    assert!(raw.contains("\nports:\nsize: 0B (virtual "), "{raw}");
    let id = host.run(&["ps", "-aq"]).succeeds();
    assert_eq!(host.run(&["ps", "-aq", "--format", "raw"]).stdout, format!("container_id: {id}"));
    assert!(host.run(&["ps", "-a", "--format", "json"]).succeeds().contains(",\"Size\":\"0B\","));
    host.run(&["ps", "-aq", "-f", "ancestor=UP"]).prints("");
    host.run(&["volume", "ls", "-f", "foo=x"]).fails(1, &format!("{DAEMON}invalid filter 'foo'"));
    host.run(&["volume", "create", "--label", "a=b", "data"]).succeeds();
    host.run(&["volume", "ls", "-q", "--format", "{{.Driver}}"]).prints("local\n");
    host.run(&["volume", "ls", "-q", "--format", "raw"]).prints("name: data\n");
    let raw = host.run(&["system", "df", "-v", "--format", "raw"]).succeeds();
    assert!(
        raw.starts_with("type: Image\nrepository: box\ntag: 1\n") && raw.contains("\n\ntype: Container\n"),
        "{raw}"
    );
    assert!(raw.ends_with("\n\ntype: Volume\nname: data\ndriver: local\n\n"), "{raw}");
    let place = host.run(&["volume", "inspect", "-f", "{{.Mountpoint}}", "data"]).succeeds();
    host.run(&["volume", "ls", "--format", "json"]).prints(&format!(
        "{{\"Availability\":\"N/A\",\"Driver\":\"local\",\"Group\":\"N/A\",\"Labels\":\"a=b\",\"Links\":\"N/A\",\"Mountpoint\":\"{}\",\"Name\":\"data\",\"Scope\":\"local\",\"Size\":\"N/A\",\"Status\":\"N/A\"}}\n",
        place.trim_end()
    ));
    let usage = host.run(&["system", "df", "-v", "--format", "json"]).succeeds();
    for field in ["CreatedAt", "Digest", "VirtualSize", "Availability"] {
        assert!(usage.contains(&format!("\"{field}\":")), "{usage}");
    }
}

#[test]
fn networks_are_listed_and_inspected() {
    let Some(host) = box_host() else { return };
    host.run(&["network", "ls", "--format", "{{.Name}} {{.Driver}}"]).prints("bridge bridge\nhost host\nnone null\n");
    host.run(&["network", "ls", "-f", "name=os", "--format", "{{.Name}}"]).prints("host\n");
    host.run(&["network", "ls", "-f", "x=y"]).fails(1, &format!("{DAEMON}invalid filter 'x'"));
    host.run(&["network", "inspect", "-f", "{{.Driver}}", "none"]).prints("null\n");
    host.run(&["inspect", "-f", "{{.Name}}", "host"]).prints("host\n");
    let missing = host.run(&["inspect", "--type", "network", "nope"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (1, "[]\n"));
    assert_eq!(missing.words_without_help(), format!("{DAEMON}network nope not found\n"));
    let id = super::id(&host.run(&["create", "box:1"]).succeeds());
    host.run(&["ps", "-aq", "--no-trunc", "-f", "network=bridge"]).prints(&format!("{id}\n"));
    host.run(&["network", "prune", "-f"]).prints("");
}

#[test]
fn a_broken_configuration_is_said_by_every_command() {
    let Some(host) = box_host() else { return };
    host.file("home/.docker/config.json", b"{");
    let outcome = host.run(&["images", "-q", "nope"]);
    let place = host.path().join("home/.docker/config.json");
    let warning = format!("WARNING: Error parsing config file ({}): unexpected EOF\n", place.display());
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr), (0, "", warning));
}

#[test]
fn what_a_container_wrote_is_counted_once_and_links_as_much_as_they_say() {
    let Some(host) = box_host() else { return };
    let script = "mkdir /d; echo hello > /d/f; ln -s /f /d/s; ln /d/f /h";
    host.run(&["run", "--name", "c1", "box:1", "sh", "-c", script]).succeeds();
    let size = host.run(&["ps", "-as", "--format", "{{.Size}}"]).succeeds();
    assert!(size.starts_with("8B (virtual "), "{size}");
}

#[test]
fn what_dockers_client_finds_out_has_no_daemon_before_it() {
    let Some(host) = box_host() else { return };
    host.run(&["create", "--name", "c1", "box:1", "true"]).succeeds();
    host.run(&["attach", "c1"]).fails(1, "You cannot attach to a stopped container, start it first");
    host.run(&["rename", "c1", ""]).fails(1, "Error: Neither old nor new names may be empty");
    host.run(&["rename", "nope", "c2"])
        .fails(1, &format!("{DAEMON}No such container: nope\nError: failed to rename container named nope"));
    let whole = host.path().join("nope");
    host.run(&["cp", "nope", "c1:/"]).fails(1, &format!("lstat {}: no such file or directory", whole.display()));
    let unpaused = host.run(&["unpause", "c1"]);
    assert!(
        unpaused.stderr.starts_with(DAEMON) && unpaused.words_without_help().ends_with("is not paused\n"),
        "{unpaused:?}"
    );
    let run = |words: &[&str], text: &str| {
        let outcome = host.run(&[&["run", "--rm"], words, &["box:1", "true"]].concat());
        let tail = "\n\nRun 'wharfie run --help' for more information\n";
        assert_eq!((outcome.code, outcome.words_without_help()), (125, format!("wharfie: {text}{tail}")));
    };
    run(&["--network-alias", "x"], "network-scoped aliases are only supported for user-defined networks");
    run(&["--device", "/dev/null:/dev/x:q"], "bad mode specified: q");
    run(&["--oom-score-adj", "5000"], &format!("{DAEMON}Invalid value 5000, range for oom score adj is [-1000, 1000]"));
    run(
        &["--security-opt", "seccomp=nope"],
        "opening seccomp profile (nope) failed: open nope: no such file or directory",
    );
    host.run(&["run", "--rm", "--name", "", "box:1", "true"]).prints("");
}

#[test]
fn a_container_that_changed_nothing_is_committed_without_a_layer() {
    let Some(host) = box_host() else { return };
    let layers = |image: &str| host.run(&["inspect", "-f", "{{json .RootFS.Layers}}", image]).succeeds();
    host.run(&["run", "--name", "c1", "box:1", "true"]).succeeds();
    host.run(&["commit", "-m", "nothing", "c1", "same:1"]).succeeds();
    assert_eq!(layers("same:1"), layers("box:1"));
    let history = host.run(&["history", "--format", "{{.Size}} {{.Comment}}", "same:1"]).succeeds();
    assert!(history.starts_with("0B nothing\n"), "{history}");
    assert_eq!(host.run(&["rmi", "same:1"]).succeeds().lines().count(), 2);
    host.run(&["system", "fsck"]).succeeds();
}
