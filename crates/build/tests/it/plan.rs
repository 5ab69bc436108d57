//! What builds do, as plans say it.

use std::collections::BTreeMap;

use wharfie_build::dockerfile::Dockerfile;
use wharfie_build::plan::{
    Action, Base, BoxError, Copy, GitSource, Mode, Mount, Network, Origin, Plan, Run, Security, Sharing, Source, plan,
};
use wharfie_build::{Bases, Request};
use wharfie_oci::config::{ContainerConfig, ImageConfig};
use wharfie_oci::{DiffId, Digest, Platform};

/// Images that tests stand on.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) images: BTreeMap<&'static str, ImageConfig>,
}

impl Bases for Shelf {
    fn config(&self, reference: &str, _: &Platform) -> Result<ImageConfig, BoxError> {
        match self.images.get(reference) {
            Some(image) => Ok(image.clone()),
            None if reference.starts_with("no") => Err(format!("{reference}: not found").into()),
            None => Ok(image(ContainerConfig::default())),
        }
    }

    fn context(&self, name: &str, _: &Platform) -> Result<Option<ImageConfig>, BoxError> {
        Ok(self.images.get(name).cloned())
    }
}

/// An image for linux/amd64 with one layer.
pub(crate) fn image(config: ContainerConfig) -> ImageConfig {
    let mut image = ImageConfig {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        config: Some(config),
        ..ImageConfig::default()
    };
    image.rootfs.diff_ids.push(DiffId::new(Digest::of(b"layer")));
    image
}

pub(crate) fn request() -> Request {
    Request::new("linux/amd64".parse().expect("a platform"))
}

pub(crate) fn with(arguments: &[(&str, &str)]) -> Request {
    let build_args = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Request { build_args, ..request() }
}

fn planned(text: &str, request: &Request, shelf: &Shelf) -> Result<Plan, wharfie_build::Error> {
    plan(&Dockerfile::read(text.as_bytes())?, request, shelf)
}

fn plain(text: &str) -> Plan {
    planned(text, &request(), &Shelf::default()).unwrap_or_else(|why| panic!("{why}: {text}"))
}

fn fails(text: &str, expected: &str) {
    fails_with(text, &request(), expected);
}

fn fails_with(text: &str, request: &Request, expected: &str) {
    let found = planned(text, request, &Shelf::default()).map(|_| ()).map_err(|why| why.to_string());
    assert_eq!(found, Err(expected.to_owned()), "{text}");
}

/// The history of the target.
fn history(text: &str, request: &Request, expected: &[&str]) {
    let plan = planned(text, request, &Shelf::default()).unwrap_or_else(|why| panic!("{why}: {text}"));
    let steps = plan.stages[plan.target].steps.iter();
    let found: Vec<_> = steps.filter_map(|step| step.created_by.as_deref()).collect();
    assert_eq!(found, expected, "{text}");
}

fn last_config(text: &str) -> ContainerConfig {
    let plan = plain(text);
    plan.stages[plan.target].steps.last().expect("a step").config.clone()
}

fn labels(plan: &Plan) -> Vec<&str> {
    let stages = plan.stages.iter();
    stages
        .flat_map(|stage| {
            stage.label.as_deref().into_iter().chain(stage.steps.iter().filter_map(|step| step.label.as_deref()))
        })
        .collect()
}

fn run_of(text: &str) -> Run {
    let plan = plain(text);
    let steps = plan.stages[plan.target].steps.iter();
    let mut runs = steps.filter_map(|step| match &step.action {
        Action::Run(run) => Some((**run).clone()),
        _ => None,
    });
    runs.next_back().expect("a RUN")
}

fn copy_of(text: &str) -> Copy {
    let plan = plain(text);
    let steps = plan.stages[plan.target].steps.iter();
    let mut copies = steps.filter_map(|step| match &step.action {
        Action::Copy(copy) => Some((**copy).clone()),
        _ => None,
    });
    copies.next_back().expect("a COPY")
}

#[test]
fn history_is_as_buildkit_writes_it() {
    history(
        "FROM scratch\nARG A=1 B\nENV C=$A D='x y'\nLABEL a=b\nWORKDIR w\nUSER u\nCOPY --chown=1:2 --chmod=755 a b/\nRUN make\n",
        &request(),
        &[
            "ARG A=1 B",
            "ENV C=1 D=x y",
            "LABEL a=b",
            "WORKDIR /w",
            "USER u",
            "COPY --chown=1:2 --chmod=755 a b/ # buildkit",
            "RUN |2 A=1 B= /bin/sh -c make # buildkit",
        ],
    );
    history(
        "FROM scratch\nCMD a b\nENTRYPOINT [\"a\", \"b\"]\nEXPOSE 80 90-91/udp\nVOLUME /a /b\nSTOPSIGNAL SIGTERM\nSHELL [\"/x\", \"-y\"]\nMAINTAINER me\nONBUILD RUN x\nHEALTHCHECK --interval=90s CMD a\nRUN [\"a\"]\nRUN b",
        &request(),
        &[
            "CMD [\"/bin/sh\" \"-c\" \"a b\"]",
            "ENTRYPOINT [\"a\" \"b\"]",
            "EXPOSE [80/tcp 90/udp 91/udp]",
            "VOLUME [/a /b]",
            "STOPSIGNAL SIGTERM",
            "SHELL [/x -y]",
            "MAINTAINER me",
            "HEALTHCHECK {Test:[CMD-SHELL a] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
            "RUN a # buildkit",
            "RUN /x -y b # buildkit",
        ],
    );
    history("FROM scratch\nADD https://x/y.tgz /\n", &request(), &["ADD https://x/y.tgz / # buildkit"]);
}

#[test]
fn arguments_have_scopes() {
    history("ARG G=1\nFROM scratch\nARG G\nENV X=$G", &request(), &["ARG G=1", "ENV X=1"]);
    history("ARG G=1\nFROM scratch\nENV X=$G", &request(), &["ENV X="]);
    history("ARG G=1\nFROM scratch\nARG G=2\nENV X=$G", &request(), &["ARG G=2", "ENV X=2"]);
    history("ARG G=1\nFROM scratch\nARG G=2\nENV X=$G", &with(&[("G", "3")]), &["ARG G=3", "ENV X=3"]);
    history("FROM scratch AS a\nARG A=1\nFROM a\nENV X=$A", &request(), &["ENV X=1"]);
    history("FROM scratch AS a\nARG A=1\nFROM scratch\nENV X=$A", &request(), &["ENV X="]);
    history(
        "FROM scratch\nENV A=env\nARG A=arg\nENV B=$A\nRUN x",
        &request(),
        &["ENV A=env", "ARG A=arg", "ENV B=arg", "RUN |1 A=arg /bin/sh -c x # buildkit"],
    );
    history("FROM scratch\nENV A=env\nARG A\nENV B=$A", &request(), &["ENV A=env", "ARG A", "ENV B=env"]);
    history("FROM scratch\nENV A=1\nENV A=2 B=$A", &request(), &["ENV A=1", "ENV A=2 B=1"]);
    history(
        "FROM scratch\nENV B=$TARGETARCH\nARG TARGETARCH TARGETSTAGE\nENV C=$TARGETARCH",
        &request(),
        &["ENV B=", "ARG TARGETARCH=amd64 TARGETSTAGE=default", "ENV C=amd64"],
    );
    history("FROM scratch\nENV A=$HTTP_PROXY", &with(&[("HTTP_PROXY", "p")]), &["ENV A="]);
    history("FROM scratch\nARG A=${X:?no}", &with(&[("A", "1")]), &["ARG A=1"]);
    fails("FROM scratch\nARG A=${X:?no}", "X: no");
    history("ARG V=latest\nARG I=a:$V\nFROM ${I}\nARG I\n", &request(), &["ARG I=a:latest"]);
}

#[test]
fn proxies_are_seen_by_processes_only() {
    let shelf = Shelf::default();
    let plan =
        planned("FROM scratch\nRUN x", &with(&[("HTTP_PROXY", "q"), ("http_Proxy", "p"), ("no_proxy", "")]), &shelf)
            .unwrap();
    let Action::Run(run) = &plan.stages[0].steps[0].action else { panic!("a RUN") };
    let pair = |name: &str| (name.to_owned(), "p".to_owned());
    assert_eq!(run.proxies, [pair("HTTP_PROXY"), pair("http_proxy")]);
    assert!(run.environment.iter().all(|(name, _)| name == "PATH"));
    assert_eq!(plan.stages[0].steps[0].created_by.as_deref(), Some("RUN /bin/sh -c x # buildkit"));
    assert!(plan.unused_args.is_empty());
}

#[test]
fn arguments_nobody_asked_for_are_named() {
    let request = with(&[("A", "1"), ("B", "2"), ("C", "3"), ("BUILDKIT_X", "1"), ("TARGETARCH", "arm")]);
    let plan = planned("ARG A\nFROM scratch AS x\nARG B\nFROM scratch", &request, &Shelf::default()).unwrap();
    assert_eq!(plan.unused_args, ["C"]);
}

#[test]
fn only_what_the_target_needs_is_planned() {
    let text =
        "FROM a AS a\nFROM b AS b\nFROM no AS c\nFROM a AS d\nCOPY --from=B /x /\nRUN --mount=from=a,target=/m x\n";
    let plan = plain(text);
    let found: Vec<_> =
        plan.stages.iter().map(|stage| (stage.index, stage.name.as_deref(), stage.base.clone())).collect();
    assert_eq!(
        found,
        [
            (0, Some("a"), Base::Image("a".to_owned())),
            (1, Some("b"), Base::Image("b".to_owned())),
            (3, Some("d"), Base::Stage(0)),
        ]
    );
    let Action::Copy(copy) = &plan.stages[2].steps[0].action else { panic!("a COPY") };
    assert_eq!(copy.from, Some(Origin::Stage(1)));
    let plan = planned(text, &Request { target: Some("B".to_owned()), ..request() }, &Shelf::default()).unwrap();
    assert_eq!((plan.stages.len(), plan.target, plan.stages[0].index), (1, 0, 1));
    fails_with(
        text,
        &Request { target: Some("0".to_owned()), ..request() },
        "target stage \"0\" could not be found (did you mean a?)",
    );
    fails_with(
        text,
        &Request { target: Some("xyzzy".to_owned()), ..request() },
        "target stage \"xyzzy\" could not be found",
    );
}

#[test]
fn stages_refer_to_each_other() {
    fails(
        "FROM a AS Abc\nFROM Abc\n",
        "failed to parse stage name \"Abc\": invalid reference format: repository name (library/Abc) must be lowercase",
    );
    fails("FROM a AS x\nCOPY --from=x /a /", "circular dependency detected on stage: x");
    fails("FROM a\nCOPY --from=0 /a /", "circular dependency detected on stage: stage-0");
    fails("FROM a\nCOPY --from=3 /a /", "invalid stage index 3");
    fails(
        "FROM a AS x\nCOPY --from=y /a /\nFROM b AS y\nCOPY --from=x /a /",
        "circular dependency detected on stage: x",
    );
    fails(
        "FROM a AS x\nCOPY --from=y /a /\nFROM x AS y\nFROM x",
        "cannot copy from stage \"y\", it needs to be defined before current stage \"x\"",
    );
    fails(
        "FROM a AS x\nRUN --mount=from=y,target=/m x\nFROM b AS y\nFROM x",
        "cannot mount from stage \"y\" to \"/m\", stage needs to be defined before current command",
    );
    fails(
        "FROM a\nCOPY --from=$A x /",
        "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
    );
    let copy = copy_of("FROM a\nCOPY --from=alpine:3 x /");
    assert_eq!(copy.from, Some(Origin::Image("alpine:3".to_owned())));
    let copy = copy_of("FROM a\nCOPY --from=scratch x /");
    assert_eq!(copy.from, Some(Origin::Scratch));
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    fails("RUN x", "no build stage in current context");
    fails("ARG A", "dockerfile contains no stages to build");
    fails("FROM a\nRUNN x", "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)");
    fails(
        "FROM a\nCOPY x",
        "dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined",
    );
    fails("FROM a\nENV a", "ENV must have two arguments");
    fails("FROM no\n", "no: no: not found");
    fails("FROM noalpine\n", "noalpine: noalpine: not found (did you mean alpine?)");
    fails("ARG B\nFROM $B", "base name ($B) should not be blank");
    fails("FROM --platform=$X a", "empty platform value from expression $X");
    fails(
        "FROM --platform=foo a",
        "failed to parse platform foo: \"foo\": unknown operating system or architecture: invalid argument",
    );
    fails("FROM a\nEXPOSE x", "invalid containerPort: x");
    fails("FROM a\nSTOPSIGNAL 0", "invalid signal: 0");
    fails("FROM a\nCOPY https://x/y /", "source can't be a URL for COPY");
    fails("FROM a\nCOPY https://x/y.git /", "source can't be a git ref for COPY");
    fails("FROM a\nADD --checksum=sha256:x a /", "checksum requires HTTP(S) or Git sources");
    fails(
        "FROM a\nADD --checksum=sha256:x https://x/y https://x/z /",
        "checksum can't be specified for multiple sources",
    );
    fails("FROM a\nRUN --mount=type=cache x", "invalid mount target \"/\"");
    fails("FROM a\nRUN --mount=type=ssh,source=x x", "ssh does not support source");
    fails("FROM a\nRUN --device=x x", "device feature is only supported in Dockerfile frontend 1.14.0-labs or later");
    fails("# check=error=true\nFROM a\nMAINTAINER x", "lint violation found for rules: MaintainerDeprecated");
    fails("# check=skip\nFROM a", "failed to parse check options: invalid check option \"skip\"");
}

#[test]
fn errors_know_their_places() {
    let check = |text: &str, expected: &[usize]| {
        let why = planned(text, &request(), &Shelf::default()).unwrap_err();
        let found: Vec<_> = why.places().iter().map(|lines| lines.first).collect();
        assert_eq!(found, expected, "{text}: {why}");
    };
    check("FROM a\nRUNN x", &[2]);
    check("FROM a\n\nEXPOSE x", &[3]);
    check("FROM a\nFROM no", &[2]);
    check("FROM a AS x\nCOPY --from=y /a /\nFROM b AS y\nCOPY --from=x /a /", &[2, 4]);
    check("ARG A=${B:?c}\nFROM a", &[1]);
}

#[test]
fn configurations_follow_the_instructions() {
    let config = last_config("FROM scratch\nENV A=1\nENV A=2 B=3\n");
    assert_eq!(config.env.unwrap()[1..], ["A=2", "B=3"]);
    let config = last_config("FROM scratch\nWORKDIR /a/../b\nWORKDIR c\nUSER $X:1\n");
    assert_eq!((config.working_dir.as_str(), config.user.as_str()), ("/b/c", ":1"));
    assert_eq!(last_config("FROM scratch\nWORKDIR /a/../b/").working_dir, "/a/../b/");
    assert_eq!(last_config("FROM scratch\nWORKDIR [\"/a\"]").working_dir, "/[/a]");
    let config = last_config("FROM scratch\nCMD a\nENTRYPOINT [\"b\"]");
    assert_eq!((config.cmd.unwrap()[2].as_str(), config.args_escaped), ("a", true));
    let config = last_config("FROM scratch\nEXPOSE 8080:80 53/UDP\nVOLUME [\"/a b\"]\nONBUILD RUN x");
    assert_eq!(config.exposed_ports.unwrap().into_keys().collect::<Vec<_>>(), ["53/udp", "80/tcp"]);
    assert_eq!(config.volumes.unwrap().into_keys().collect::<Vec<_>>(), ["/a b"]);
    assert_eq!(config.on_build.unwrap(), ["RUN x"]);
    let config = last_config("FROM scratch\nCMD\n");
    assert_eq!(config.cmd.unwrap(), ["/bin/sh", "-c", ""]);
}

#[test]
fn an_entrypoint_forgets_the_bases_command() {
    let base = image(ContainerConfig { cmd: Some(vec!["x".to_owned()]), ..ContainerConfig::default() });
    let shelf = Shelf { images: [("a", base)].into() };
    let last = |text: &str| {
        let plan = planned(text, &request(), &shelf).unwrap();
        plan.stages[plan.target].steps.last().unwrap().config.cmd.clone()
    };
    assert_eq!(last("FROM a\nENTRYPOINT [\"b\"]"), None);
    assert_eq!(last("FROM a\nUSER b"), Some(vec!["x".to_owned()]));
    assert_eq!(last("FROM a\nCMD [\"c\"]\nENTRYPOINT [\"b\"]"), Some(vec!["c".to_owned()]));
    assert_eq!(last("FROM a AS x\nCMD [\"c\"]\nFROM x\nENTRYPOINT [\"b\"]"), None);
}

#[test]
fn stages_start_with_what_their_base_says() {
    let base = image(ContainerConfig {
        env: Some(vec!["A=1".to_owned()]),
        working_dir: "w".to_owned(),
        ..ContainerConfig::default()
    });
    let shelf = Shelf { images: [("a", base)].into() };
    let plan = planned("FROM a\nENV B=$A", &request(), &shelf).unwrap();
    let start = plan.stages[0].start.config.clone().unwrap();
    assert_eq!(start.env.unwrap(), ["A=1", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    assert_eq!(start.working_dir, "/w");
    assert_eq!(plan.stages[0].steps[0].created_by.as_deref(), Some("ENV B=1"));
    let start = plain("FROM scratch").stages[0].start.clone();
    assert_eq!(start.config.unwrap().working_dir, "/");
}

#[test]
fn triggers_come_first() {
    let trigger = |texts: &[&str]| {
        let on_build = Some(texts.iter().map(|text| (*text).to_owned()).collect());
        Shelf { images: [("a", image(ContainerConfig { on_build, ..ContainerConfig::default() }))].into() }
    };
    let shelf = trigger(&["RUN x", "COPY --from=b /c /d", "ARG T=1"]);
    let plan = planned("FROM b AS b\nFROM a\nRUN y", &with(&[("T", "2")]), &shelf).unwrap();
    let stage = &plan.stages[plan.target];
    let found: Vec<_> =
        stage.steps.iter().map(|step| (step.written.as_str(), step.is_trigger, step.lines.first)).collect();
    assert_eq!(
        found,
        [("RUN x", true, 2), ("COPY --from=b /c /d", true, 2), ("ARG T=1", true, 2), ("RUN y", false, 3)]
    );
    assert_eq!(plan.stages.len(), 2);
    assert_eq!(stage.start.config.as_ref().unwrap().on_build, None);
    assert_eq!(stage.steps[0].label.as_deref(), Some("[stage-1 2/5] ONBUILD RUN x"));
    assert!(plan.unused_args.is_empty());

    let shelf = trigger(&["nonsense"]);
    let why = planned("FROM a", &request(), &shelf).unwrap_err();
    assert_eq!((why.to_string().as_str(), why.places().len()), ("unknown instruction: nonsense", 1));
    let shelf = trigger(&["FROM x"]);
    let why = planned("FROM a", &request(), &shelf).unwrap_err();
    assert_eq!(why.to_string(), "*instructions.Stage is not a command type");
    // Of an image that something is only copied from they do not count.
    let shelf = trigger(&["nonsense"]);
    assert!(planned("FROM b\nCOPY --from=a /x /", &request(), &shelf).is_ok());
    let shelf = trigger(&["COPY --from=a /x /"]);
    assert!(planned("FROM a", &request(), &shelf).is_ok());

    // A stage is not made of itself.
    let shelf = trigger(&["COPY --from=b /x /"]);
    let why = planned("FROM a AS b", &request(), &shelf).unwrap_err();
    assert_eq!(why.to_string(), "circular dependency detected on stage: ");

    // Of a stage as well, but once only.
    let text = "FROM b AS a\nONBUILD ENV X=1\nFROM a AS c\nFROM c AS d";
    let plan = plain(text);
    let counts: Vec<_> =
        plan.stages.iter().map(|stage| stage.steps.iter().filter(|step| step.is_trigger).count()).collect();
    assert_eq!(counts, [0, 1, 0]);
    assert_eq!(plan.stages[1].steps[0].lines.first, 3);
}

#[test]
fn steps_have_labels() {
    let plan = plain("FROM alpine\nWORKDIR /\nWORKDIR /w\nENV A=1\nRUN echo  $A '$B' $B\ncopy $A b");
    assert_eq!(
        labels(&plan),
        [
            "[1/5] FROM docker.io/library/alpine:latest",
            "[2/5] WORKDIR /w",
            "[3/5] RUN echo  1 '$B' $B",
            "[4/5] COPY 1 b",
        ]
    );
    let plan = plain("FROM a AS x\nRUN x\nFROM scratch\nCOPY --from=x / /");
    assert_eq!(
        labels(&plan),
        ["[x 1/2] FROM docker.io/library/a:latest", "[x 2/2] RUN x", "[stage-1 1/1] COPY --from=x / /",]
    );
    let plan = plain("FROM scratch\nRUN --mount=type=cache,target=/c x");
    assert_eq!(labels(&plan), ["[stage-0 1/1] RUN --mount=type=cache,target=/c x"]);
    let plan = plain(&format!("FROM a\n{}", "RUN x\n".repeat(9)));
    assert_eq!(labels(&plan)[1], "[ 2/10] RUN x");
    let plan = plain("FROM scratch\nRUN <<EOF\n\nfirst\nsecond\nEOF");
    assert_eq!(labels(&plan), ["[1/1] RUN <<EOF (first...)"]);
    let plan = plain("FROM scratch\nRUN --mount=type=secret,id=s,env=S echo $S");
    assert_eq!(labels(&plan), ["[stage-0 1/1] RUN --mount=type=secret,id=s,env=S echo ****"]);
    let request = Request {
        is_multi_platform: true,
        is_platform_given: true,
        platform: "linux/arm/v6".parse().unwrap(),
        ..request()
    };
    let plan =
        planned("FROM --platform=$BUILDPLATFORM a\nARG TARGETPLATFORM\nRUN x", &request, &Shelf::default()).unwrap();
    assert_eq!(labels(&plan), ["[linux/amd64 1/2] FROM docker.io/library/a:latest", "[linux/amd64->arm/v6 2/2] RUN x"]);
}

#[test]
fn commands_are_run_in_three_forms() {
    assert_eq!(run_of("FROM a\nRUN a  b").arguments, ["/bin/sh", "-c", "a  b"]);
    assert_eq!(run_of("FROM a\nRUN [\"a\", \"b\"]").arguments, ["a", "b"]);
    assert_eq!(run_of("FROM a\nSHELL [\"x\"]\nRUN a").arguments, ["x", "a"]);
    assert_eq!(run_of("FROM a\nRUN <<EOF\na\nb\nEOF").arguments, ["/bin/sh", "-c", "a\nb\n"]);
    assert_eq!(run_of("FROM a\nRUN <<-EOF\n\ta\n\tEOF").arguments, ["/bin/sh", "-c", "a\n"]);
    assert_eq!(
        run_of("FROM a\nRUN cat <<A <<-B\nx\nA\n\ty\nB").arguments,
        ["/bin/sh", "-c", "cat <<A <<-B\nx\nA\n\ty\nB"]
    );
    let run = run_of("FROM a\nRUN <<EOF\n#!/usr/bin/env python3\n$A\nEOF");
    assert_eq!(run.arguments, ["/bin/sh", "-c", "/dev/pipes/EOF"]);
    assert_eq!((run.files[0].name.as_str(), run.files[0].body.as_str()), ("EOF", "#!/usr/bin/env python3\n$A\n"));
    let run = run_of("FROM a\nWORKDIR /w\nUSER u\nENV A=1\nARG B=2\nRUN --network=none --security=insecure x");
    assert_eq!((run.network, run.security), (Network::None, Security::Insecure));
    assert_eq!((run.directory.as_str(), run.user.as_str()), ("/w", "u"));
    let variables: Vec<_> = run.environment[1..].iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(variables, ["A=1", "B=2"]);
}

#[test]
fn mounts_are_understood() {
    let mounts = |flags: &str| run_of(&format!("FROM b AS s\nFROM a\nWORKDIR /w\nARG T=/t\nRUN {flags} x")).mounts;
    let [Mount::Bind { from: None, source, target, is_readonly: true }] = &mounts("--mount=target=.")[..] else {
        panic!()
    };
    assert_eq!((source.as_str(), target.as_str()), ("/", "/w"));
    let [Mount::Bind { from, source, target, is_readonly: false }] =
        &mounts("--mount=type=bind,from=s,src=../x/./y,dst=$T,rw")[..]
    else {
        panic!()
    };
    assert_eq!((from, source.as_str(), target.as_str()), (&Some(Origin::Stage(0)), "/x/y", "/t"));
    let [Mount::Bind { from, .. }] = &mounts("--mount=from=alpine,dst=/t")[..] else { panic!() };
    assert_eq!(from, &Some(Origin::Image("alpine".to_owned())));
    let [Mount::Tmpfs { target, size: 1024 }] = &mounts("--mount=type=tmpfs,target=/t,size=1k")[..] else { panic!() };
    assert_eq!(target, "/t");
    let [Mount::Cache(cache)] = &mounts("--mount=TYPE=CACHE,TARGET=c/,sharing=locked,uid=1,mode=700")[..] else {
        panic!()
    };
    assert_eq!((cache.id.as_str(), cache.target.as_str(), cache.sharing), ("/c", "/w/c", Sharing::Locked));
    assert_eq!(
        (cache.from.as_ref(), cache.ownership.uid, cache.ownership.mode, cache.is_readonly),
        (None, Some(1), Some(0o700), false)
    );
    let [Mount::Secret(secret)] = &mounts("--mount=type=secret,id=a/b,required")[..] else { panic!() };
    assert_eq!(
        (secret.id.as_str(), secret.target.as_deref(), secret.is_required),
        ("a/b", Some("/run/secrets/b"), true)
    );
    let [Mount::Secret(secret)] = &mounts("--mount=type=secret,target=/x/y,env=E")[..] else { panic!() };
    assert_eq!(
        (secret.id.as_str(), secret.target.as_deref(), secret.variable.as_deref()),
        ("y", Some("/x/y"), Some("E"))
    );
    let [Mount::Ssh(ssh)] = &mounts("--mount=type=ssh")[..] else { panic!() };
    assert_eq!((ssh.id.as_str(), ssh.target.as_deref(), ssh.is_required), ("default", None, false));
}

#[test]
fn copies_are_understood() {
    let path = |path: &str| Source::Path(path.to_owned());
    let copy = copy_of("FROM a\nWORKDIR /w\nCOPY a ../b ./c/ /d/ .");
    assert_eq!(copy.sources, [path("/a"), path("/b"), path("/c"), path("/d/")]);
    assert_eq!((copy.destination.as_str(), copy.is_add, copy.link), ("/w/", false, false));
    let copy = copy_of("FROM a\nARG M=u=rwX\nCOPY --link --parents --chmod=$M --exclude=*.o --exclude=x a/./b /d/");
    assert_eq!(copy.sources, [Source::Below { root: "/a".to_owned(), pattern: "b".to_owned(), is_required: true }]);
    assert_eq!(
        (copy.mode, copy.exclude.len(), copy.parents, copy.link),
        (Some(Mode::Symbolic("u=rwX".to_owned())), 2, true, true)
    );
    let copy = copy_of(
        "FROM a\nADD --unpack=false --checksum=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 https://h/a/b.tgz /d",
    );
    assert_eq!(copy.sources, [Source::Url { url: "https://h/a/b.tgz".to_owned(), name: "b.tgz".to_owned() }]);
    assert_eq!((copy.unpack, copy.checksum.is_some()), (Some(false), true));
    let copy = copy_of("FROM a\nADD --keep-git-dir https://h/r.git?submodules=0#v1:d /d");
    let git = GitSource {
        remote: "https://h/r.git".to_owned(),
        reference: Some("v1".to_owned()),
        subdirectory: Some("d".to_owned()),
        keep_git_dir: true,
        ..GitSource::default()
    };
    assert_eq!(copy.sources, [Source::Git(Box::new(git))]);
    let copy = copy_of("FROM a\nARG A=1\nCOPY <<A <<'B' /d\n\"$A\" \\$A\nA\n$A\nB");
    let bodies: Vec<_> = copy
        .sources
        .iter()
        .map(|source| match source {
            Source::Inline(file) => (file.name.as_str(), file.body.as_str()),
            _ => panic!("a here-document"),
        })
        .collect();
    assert_eq!(bodies, [("A", "\"1\" $A\n"), ("B", "$A\n")]);
}

#[test]
fn contexts_take_the_place_of_names() {
    let shelf = Shelf {
        images: [("pinned", image(ContainerConfig { user: "u".to_owned(), ..ContainerConfig::default() }))].into(),
    };
    let request =
        |names: &[&str]| Request { contexts: names.iter().map(|name| (*name).to_owned()).collect(), ..request() };
    // An image.
    let plan = planned("FROM docker.io/library/pinned:latest\nUSER x", &request(&["pinned"]), &shelf).unwrap();
    assert_eq!(plan.stages[0].base, Base::Context("pinned".to_owned()));
    assert_eq!(plan.stages[0].start.config.as_ref().unwrap().user, "u");
    // A stage, which is then not gone through.
    let text = "FROM no AS pinned\nRUN x\nFROM pinned\nCOPY --from=pinned /a /";
    let plan = planned(text, &request(&["pinned"]), &shelf).unwrap();
    let found: Vec<_> = plan.stages.iter().map(|stage| (stage.base.clone(), stage.steps.len())).collect();
    assert_eq!(found, [(Base::Context("pinned".to_owned()), 0), (Base::Stage(0), 1)]);
    // What is copied from.
    let plan =
        planned("FROM a\nCOPY --from=src /a /\nRUN --mount=from=src,target=/m x", &request(&["src"]), &shelf).unwrap();
    let Action::Copy(copy) = &plan.stages[0].steps[0].action else { panic!() };
    assert_eq!(copy.from, Some(Origin::Context("src".to_owned())));
    let Action::Run(run) = &plan.stages[0].steps[1].action else { panic!() };
    let Mount::Bind { from, .. } = &run.mounts[0] else { panic!() };
    assert_eq!(from, &Some(Origin::Context("src".to_owned())));
    // A stage that is only copied from.
    let plan = planned("FROM no AS s\nFROM a\nCOPY --from=s /a /", &request(&["s"]), &shelf).unwrap();
    assert_eq!(plan.stages.len(), 1);
    // For one platform only.
    let contexts = request(&["a::linux/arm64", "b::linux/amd64"]);
    let plan = planned("FROM a AS x\nFROM b AS y\nCOPY --from=x / /", &contexts, &shelf).unwrap();
    assert_eq!(plan.stages[0].base, Base::Image("a".to_owned()));
    assert_eq!(plan.stages[1].base, Base::Context("b::linux/amd64".to_owned()));
}

#[test]
fn the_epoch_is_found() {
    let check = |text: &str, arguments: &[(&str, &str)], expected: Result<Option<&str>, &str>| {
        let found = planned(text, &with(arguments), &Shelf::default());
        let found = found.map(|plan| plan.source_date_epoch).map_err(|why| why.to_string());
        assert_eq!(found, expected.map(|value| value.map(str::to_owned)).map_err(str::to_owned), "{text}");
    };
    check("FROM a", &[], Ok(None));
    check("ARG SOURCE_DATE_EPOCH=012\nFROM a", &[], Ok(Some("12")));
    check("FROM a", &[("SOURCE_DATE_EPOCH", "5")], Ok(Some("5")));
    check("FROM a", &[("SOURCE_DATE_EPOCH", "")], Ok(None));
    let stage = |rest: &str| format!("FROM scratch AS b\n{rest}\nFROM a");
    let by = [("SOURCE_DATE_EPOCH", "B")];
    check(&stage("ARG U=https://x/y\nADD $U /"), &by, Ok(Some("B")));
    check(&stage("ADD a /"), &by, Err("SOURCE_DATE_EPOCH stage source must be a single HTTP(S) or Git ADD"));
    check(&stage(""), &by, Err("SOURCE_DATE_EPOCH stage must contain exactly one remote ADD"));
    check("FROM a AS b", &by, Err("SOURCE_DATE_EPOCH stage must use FROM scratch"));
    check(
        &stage("USER x"),
        &by,
        Err("SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported USER instruction"),
    );
    check("FROM a", &[("SOURCE_DATE_EPOCH", "x")], Err("invalid SOURCE_DATE_EPOCH: x"));
}

#[test]
fn platforms_are_chosen() {
    let request = Request { is_platform_given: true, platform: "linux/arm64".parse().unwrap(), ..request() };
    let plan = planned("FROM --platform=$BUILDPLATFORM a AS x\nFROM x AS y\nFROM scratch\nCOPY --from=y / /\nARG TARGETPLATFORM TARGETVARIANT", &request, &Shelf::default()).unwrap();
    let found: Vec<_> = plan.stages.iter().map(|stage| stage.platform.to_string()).collect();
    assert_eq!(found, ["linux/amd64", "linux/amd64", "linux/arm64"]);
    assert_eq!(plan.stages[2].steps[1].created_by.as_deref(), Some("ARG TARGETPLATFORM=linux/arm64 TARGETVARIANT="));
}
