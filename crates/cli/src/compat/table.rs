//! The whole table of errors: what each says, what kind of fault it is, what the user can do, and the exit code. It is pinned
//! in `docs/errors.md`, so that no word changes unseen.

use std::fmt::Debug;
use std::io;
use std::str::FromStr;

use wharfie_engine::build::BuildError;
use wharfie_engine::container::ContainerError;
use wharfie_engine::error::{Conflict, Error};
use wharfie_engine::networks::NetworkError;
use wharfie_engine::trust::TrustError;
use wharfie_engine::volumes::VolumeError;
use wharfie_oci::{ContainerId, ContainerName, Digest, Fault, NetworkName, VolumeName};
use wharfie_scan::content::Trouble;

use crate::commands::container::run::start_failure;
use crate::failure::Failure;

/// Samples of an enum's variants, and a proof that none is forgotten.
macro_rules! samples {
    ($name:ident, $type:ident { $($variant:ident $(($($value:expr),*))? $({$($field:ident: $of:expr),* $(,)?})?;)* }) => {
        fn $name() -> Vec<(&'static str, $type)> {
            let _is_complete = |error: &$type| match error { $($type::$variant { .. } => (),)* };
            vec![$((
                concat!(stringify!($type), "::", stringify!($variant)),
                $type::$variant $(($($value.into()),*))? $({$($field: $of.into()),*})?,
            ),)*]
        }
    };
}

const ID: &str = "4f6e1c2d3b5a4f6e1c2d3b5a4f6e1c2d3b5a4f6e1c2d3b5a4f6e1c2d3b5a0123";

fn id() -> ContainerId {
    name(ID)
}

/// An identifier or a name.
fn name<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("samples are what they stand for")
}

fn denied() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

samples!(container_errors, ContainerError {
    NoSuch("web");
    BadName("-x");
    NameTaken { name: name::<ContainerName>("web"), id: id() };
    RenameTaken { name: name::<ContainerName>("web"), id: id() };
    NoNewName;
    SameName;
    NoCommand;
    RelativeDirectory("tmp");
    MountSource { path: "/data", source: denied() };
    InitOfOtherRuntime;
    OnlyRoot("choose a hardware address");
    NotRunning(id());
    CannotKill { name: "web", id: id() };
    Running(id());
    RemovePaused(id());
    RemoveRestarting(id());
    AlreadyRunning(id());
    StartPaused;
    ExecPaused("web");
    AlreadyPaused(id());
    NotPaused(id());
    AttachRestarting;
    AttachPaused;
    AttachStopped;
    InForeground(id());
    BadSignal("NOPE");
    Signal { id: id(), source: denied() };
    NotStarted { text: "exec: \"x\": executable file not found in $PATH", help: None::<String>, code: 127 };
    Monitor("ended before the container could start");
    Settings { id: id(), why: "invalid ulimit type: foo" };
    NoLog;
    NoPs;
    PsRefused("error: unsupported option");
    NoPids;
    NoSuchPath { path: "/x", container: "web" };
    NotADirectory("/etc/passwd/");
    ReadOnly("container rootfs is marked read-only");
    Update { id: id(), why: "Restart policy cannot be updated because AutoRemove is enabled for the container" };
    NotShareable(id());
    NoSuchLink("db");
    LinkToHost;
    LinkToStopped { other: name::<ContainerName>("db"), name: name::<ContainerName>("web"), alias: "db" };
});

samples!(network_errors, NetworkError {
    NoSuch("front");
    Exists("front");
    BadName("-x");
    MakePredefined("host");
    RemovePredefined("host");
    OnlyRoot("make networks");
    Option { name: "x", value: "y" };
    BadSubnet("10.0.0.0");
    OutsideSubnet { what: "gateway", value: "10.1.0.1" };
    DeviceExists("br0");
    Overlap;
    OverlapNow(name::<NetworkName>("front"));
    NoRangeLeft;
    AddressInUse;
    BadAddress { value: "10.1.0.1", reason: "it is not in the subnet" };
    InUse { name: name::<NetworkName>("front"), user: Some((name::<ContainerName>("web"), id())) };
    AlreadyOn { container: "web", network: "front" };
    NotOn { container: id(), network: "front" };
    TooMany;
    Shared;
    Host;
    None;
    Alias;
    Address;
    ForOrdinaryUsers("pasta");
    NoHelper(None::<wharfie_runtime::Helper>);
    HelperForbidden { helper: wharfie_runtime::Helper::Pasta, why: "cannot open /dev/net/tun" };
    NoWayOut;
    Port { container: name::<ContainerName>("web"), id: id(), address: "0.0.0.0:80", reason: "port is already allocated" };
});

samples!(trust_errors, TrustError {
    NoData { tag: "1" };
    Untrusted { tag: "1", why: "no signer that is trusted signed it" };
    Rejected { reference: "docker.io/library/web:1", path: "/etc/containers/policy.json", why: "nobody signed it" };
    Here { name: "web:1", why: TrustError::NoData { tag: "1".to_owned() }, answer: "unauthorized" };
    NoContainersPolicy("/etc/containers/policy.json");
    File { path: "alice.pub", source: wharfie_engine::trust::KeyError::NoPem };
    OpenToOthers("alice.key");
    Writable("policy.json");
    Foreign { path: "policy.json", uid: 1000u32 };
    NoKey("alice");
    SeveralKeys("repository");
    Key(wharfie_engine::trust::KeyError::Passphrase);
    NoTag("web");
    DigestReference;
    NoSigningKey("docker.io/library/web");
    NoSignatures { name: "web:1", why: Some("connection refused".to_owned()) };
    BadName { what: "key", name: "Alice" };
    Reserved;
    NoSigner { signer: "alice", repository: "web" };
    Kept("web:1");
});

samples!(volume_errors, VolumeError {
    NoSuch("data");
    InUse { name: name::<VolumeName>("data"), users: vec![id()] };
    ShortName;
    BadName("a/b");
    BadOption("x");
    MissingOption("device");
    Quota;
    Mount { place: "/v", device: "nfs", kind: "nfs", data: "", source: denied() };
});

samples!(conflicts, Conflict {
    Children("4f6e1c2d3b5a");
    References("4f6e1c2d3b5a");
    Reference { name: "web:1", container: "0123456789ab", image: "4f6e1c2d3b5a" };
    RunningContainer { image: "4f6e1c2d3b5a", container: "0123456789ab" };
    StoppedContainer { image: "4f6e1c2d3b5a", container: "0123456789ab" };
    Mounted { image: "4f6e1c2d3b5a", target: "/mnt" };
});

/// Errors of builds, but for those that carry another room's. `build` puts `ERROR: failed to solve: ` before them.
fn build_errors() -> Vec<(&'static str, BuildError)> {
    // A new variant is to be added below, unless it carries another room's error.
    let _is_complete = |error: &BuildError| match error {
        BuildError::Plan { .. }
        | BuildError::Ignore(_)
        | BuildError::Pattern(_)
        | BuildError::Step { .. }
        | BuildError::NotStarted { .. } => (),
        BuildError::NoDockerfile(_)
        | BuildError::Command { .. }
        | BuildError::NoSource(_)
        | BuildError::SeveralSources
        | BuildError::NotADirectory(_)
        | BuildError::IsDirectory(_)
        | BuildError::Mode(_)
        | BuildError::Owner(_)
        | BuildError::NoSecret(_)
        | BuildError::NoAgent(_)
        | BuildError::Agent { .. }
        | BuildError::NotAllowed(_)
        | BuildError::NoContext(_)
        | BuildError::Checksum { .. }
        | BuildError::Fetch { .. }
        | BuildError::Platform(_)
        | BuildError::NoSuchBuild(_)
        | BuildError::SeveralBuilds(_)
        | BuildError::StillRunning(_)
        | BuildError::NoCache(_)
        | BuildError::BadCache { .. }
        | BuildError::SeveralPlatforms
        | BuildError::NoImage
        | BuildError::OtherFailed => (),
    };
    vec![
        ("NoDockerfile", BuildError::NoDockerfile("Dockerfile".into())),
        ("Command", BuildError::Command { command: "/bin/sh -c exit 3".into(), code: 3 }),
        ("NoSource", BuildError::NoSource("/x".into())),
        ("SeveralSources", BuildError::SeveralSources),
        ("NotADirectory", BuildError::NotADirectory("/x".into())),
        ("IsDirectory", BuildError::IsDirectory("x".into())),
        ("Mode", BuildError::Mode("9".into())),
        ("Owner", BuildError::Owner("web".into())),
        ("NoSecret", BuildError::NoSecret("token".into())),
        ("NoAgent", BuildError::NoAgent("default".into())),
        ("Agent", BuildError::Agent { id: "default".into(), why: "the program ssh-agent is not installed".into() }),
        ("NotAllowed", BuildError::NotAllowed("network.host")),
        ("NoContext", BuildError::NoContext("docs".into())),
        ("Checksum", BuildError::Checksum { actual: "sha256:1".into(), expected: "sha256:2".into() }),
        ("Fetch", BuildError::Fetch { url: "https://host/a".into(), why: "404 Not Found".into() }),
        ("Platform", BuildError::Platform("linux/arm64".into())),
        ("NoSuchBuild", BuildError::NoSuchBuild("x".into())),
        ("SeveralBuilds", BuildError::SeveralBuilds("a".into())),
        ("StillRunning", BuildError::StillRunning("a".into())),
        ("NoCache", BuildError::NoCache("local:/c:latest".into())),
        ("BadCache", BuildError::BadCache { place: "local:/c:latest".into(), why: "it is of version 9".into() }),
        ("SeveralPlatforms", BuildError::SeveralPlatforms),
        ("NoImage", BuildError::NoImage),
        ("OtherFailed", BuildError::OtherFailed),
    ]
}

/// Errors of images and of what all commands have in common, but for those that carry another room's.
fn others() -> Vec<(&'static str, Error)> {
    let digest = || Digest::sha256(ID).expect("64 hexadecimal digits are a digest");
    // A new variant is to be added below, unless it carries another room's error.
    let _is_complete = |error: &Error| match error {
        Error::Store { .. }
        | Error::BadWord { .. }
        | Error::Archive { .. }
        | Error::Remote { .. }
        | Error::Pull { .. }
        | Error::Runtime { .. }
        | Error::Build { .. }
        | Error::Container { .. }
        | Error::Network { .. }
        | Error::Volume { .. }
        | Error::Trust { .. }
        | Error::Conflict { .. }
        | Error::Config { .. }
        | Error::Document { .. } => (),
        Error::Cancelled
        | Error::NoPlatform { .. }
        | Error::NoImage { .. }
        | Error::LayerCount { .. }
        | Error::Nested
        | Error::TooLarge { .. }
        | Error::NothingToPush { .. }
        | Error::InvalidTag { .. }
        | Error::PushDigest
        | Error::Reference { .. }
        | Error::BadName { .. }
        | Error::Platform { .. }
        | Error::NoSuchImage { .. }
        | Error::OtherPlatform { .. }
        | Error::DigestTarget
        | Error::AlgorithmTarget
        | Error::ImportDigest
        | Error::Scratch
        | Error::System { .. }
        | Error::UnknownFilter { .. }
        | Error::InvalidFilter { .. }
        | Error::SeveralUntil
        | Error::BadTime { .. }
        | Error::Pattern
        | Error::NoSuchReference
        | Error::AmbiguousId
        | Error::Change { .. }
        | Error::NotKept { .. }
        | Error::History
        | Error::File { .. }
        | Error::Output { .. }
        | Error::Inventory { .. }
        | Error::Advisories { .. }
        | Error::SeveralImages(_)
        | Error::NotAdvisories(_)
        | Error::ForeignLayout(_)
        | Error::SeveralRoots(_)
        | Error::SharedManifest { .. }
        | Error::NoAdvisories(_)
        | Error::NotAttachable(_)
        | Error::NoLayers(_)
        | Error::Verification { .. } => (),
    };
    let bad_reference = || "UPPER".parse::<wharfie_oci::Reference>().expect_err("names are in lower case");
    vec![
        ("NoPlatform", Error::NoPlatform("linux/s390x".into())),
        ("NoImage", Error::NoImage("application/x".into())),
        ("LayerCount", Error::LayerCount { layers: 1, diff_ids: 2 }),
        ("Nested", Error::Nested),
        ("TooLarge", Error::TooLarge { what: "manifest", size: 1 << 30 }),
        ("NothingToPush", Error::NothingToPush("web".into())),
        ("InvalidTag", Error::InvalidTag("a b".into())),
        ("PushDigest", Error::PushDigest),
        ("Reference", Error::Reference(bad_reference())),
        ("BadName", Error::BadName(bad_reference())),
        ("Platform", "x/y/z/w".parse::<wharfie_oci::Platform>().expect_err("too many parts").into()),
        ("NoSuchImage", Error::NoSuchImage("web:latest".into())),
        (
            "OtherPlatform",
            Error::OtherPlatform { reference: "web".into(), found: "linux/arm64".into(), wanted: "linux/amd64".into() },
        ),
        ("DigestTarget", Error::DigestTarget),
        ("AlgorithmTarget", Error::AlgorithmTarget),
        ("ImportDigest", Error::ImportDigest),
        ("Scratch", Error::Scratch),
        ("Cancelled", Error::Cancelled),
        ("System", Error::System { doing: "make a pipe", source: denied() }),
        ("UnknownFilter", Error::UnknownFilter { name: "foo".into(), known: &["label", "until"] }),
        ("InvalidFilter", Error::InvalidFilter("dangling=[x]".into())),
        ("SeveralUntil", Error::SeveralUntil),
        ("BadTime", Error::BadTime("failed to parse value as time or duration: \"x\"".into())),
        ("Pattern", Error::Pattern),
        ("NoSuchReference", Error::NoSuchReference),
        ("AmbiguousId", Error::AmbiguousId),
        ("Change", Error::Change("FROM is not a valid change command".into())),
        ("NotKept", Error::NotKept("web".into())),
        ("History", Error::History),
        ("File", Error::File { doing: "open", path: "/x".into(), source: io::ErrorKind::NotFound.into() }),
        ("Output", Error::Output("invalid output path".into())),
        ("Advisories", Error::Advisories { path: "all.zip".into(), source: Trouble::Broken("is no zip archive") }),
        ("Inventory", Error::Inventory { path: "sbom.json".into(), source: Trouble::Broken("ends too early") }),
        ("NoLayers", Error::NoLayers("web.cdx.json".into())),
        ("NotAttachable", Error::NotAttachable("web.tar".into())),
        ("NoAdvisories", Error::NoAdvisories("/var/lib/wharfie/advisories/index".into())),
        ("ForeignLayout", Error::ForeignLayout("./web".into())),
        ("NotAdvisories", Error::NotAdvisories("r.example/web:1".into())),
        ("SeveralImages", Error::SeveralImages(vec!["web:1".into(), "db:1".into()])),
        ("SeveralRoots", Error::SeveralRoots(vec!["1".into(), "2".into()])),
        ("SharedManifest", Error::SharedManifest { reference: "r.example/web:1".into(), others: vec!["2".into()] }),
        ("Verification", Error::Verification { what: "manifest", digest: digest() }),
    ]
}

fn line(name: &str, error: Error) -> String {
    let kind = error.kind();
    let failure = match error {
        // Its code is another one only where it is started.
        Error::Container(ContainerError::NotStarted { .. }) => start_failure(error),
        error => Failure::from(error),
    };
    let cell = |text: &str| text.replace('\n', "<br>").replace('|', "\\|").replace('*', "\\*");
    let help = failure.help.first().map(|help| cell(help)).unwrap_or_default();
    format!("| {name} | {kind:?} | {} | {help} | {} |\n", cell(&failure.text), failure.code)
}

fn table() -> String {
    let mut text = String::from(HEAD);
    let mut add = |name: &str, error: Error| text.push_str(&line(name, error));
    container_errors().into_iter().for_each(|(name, error)| add(name, error.into()));
    network_errors().into_iter().for_each(|(name, error)| add(name, error.into()));
    volume_errors().into_iter().for_each(|(name, error)| add(name, error.into()));
    trust_errors().into_iter().for_each(|(name, error)| add(name, error.into()));
    conflicts().into_iter().for_each(|(name, why)| add(name, Error::Conflict(why)));
    others().into_iter().for_each(|(name, error)| add(name, error));
    build_errors().into_iter().for_each(|(name, error)| add(&format!("BuildError::{name}"), error.into()));
    text
}

const HEAD: &str = "# Errors

Each error of a verb has a kind, a text and mostly a line that says what to do. The text is docker's where docker has one, and
it begins with `Error response from daemon:` where docker's daemon says it: scripts match on that. The line of help comes after
all texts, on standard error, and begins with ` help: `. `run` has exit codes of its own: [exit-codes.md](exit-codes.md).
A test writes this table and compares it.

| error | kind | text | help | exit code |
|---|---|---|---|---|
";

#[test]
fn every_error_has_its_kind_its_words_its_help_and_its_exit_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
    let table = table();
    let pinned = std::fs::read_to_string(path).unwrap_or_default();
    assert!(table == pinned, "docs/errors.md should be:\n{table}");
}

#[test]
fn the_commonest_mistakes_say_what_to_do() {
    let helped = table().lines().filter(|line| line.split(" | ").nth(3).is_some_and(|help| !help.is_empty())).count();
    assert!(helped >= 30, "{helped}");
}
