//! The flags of `build`: those of docker's classic builder and of buildx, which are one command here.

use wharfie_oci::Reference;

use crate::commands::choices;
use crate::commands::container::{checks, create_flags};
use crate::flags::{Complete, Flag, Number, Switch, Text, Texts};

pub(super) const ALLOW: Texts =
    Texts::new("allow", "Allow extra privileged entitlement (e.g., \"network.host\", \"security.insecure\")")
        .complete(Complete::Words(&["network.host", "security.insecure"]));
pub(super) const ANNOTATION: Texts = Texts::new("annotation", "Add annotation to the image");
pub(super) const ATTEST: Texts =
    Texts::new("attest", "Attestation parameters (format: \"type=sbom,generator=image\")").check(attestation);
pub(super) const BUILD_ARG: Texts = Texts::new("build-arg", "Set build-time variables").check(checks::env);
pub(super) const BUILD_CONTEXT: Texts =
    Texts::new("build-context", "Additional build contexts (e.g., name=path)").check(build_context);
pub(super) const BUILDER: Text = Text::new("builder", "Name of the builder: there is one, \"default\"").check(builder);
pub(super) const CACHE_FROM: Texts =
    Texts::new("cache-from", "External cache sources (e.g., \"user/app:cache\", \"type=local,src=path/to/dir\")");
pub(super) const CACHE_TO: Texts =
    Texts::new("cache-to", "Cache export destinations (e.g., \"user/app:cache\", \"type=local,dest=path/to/dir\")");
pub(super) const CALL: Text =
    Text::new("call", "Set method for evaluating build (\"check\", \"outline\", \"targets\")")
        .complete(Complete::Words(&["build", "check", "outline", "targets"]))
        .default("build");
pub(super) const CHECK: Switch = Switch::new("check", "Shorthand for \"--call=check\"");
pub(super) const DEBUG: Switch = Switch::new("debug", "Show warnings whole").short('D');
pub(super) const DISABLE_CONTENT_TRUST: Switch = create_flags::DISABLE_CONTENT_TRUST.hidden();
pub(super) const EXPLAIN: Switch =
    Switch::new("explain", "Say of every step that is done why nothing of earlier builds serves");
pub(super) const FILE: Text =
    Text::new("file", "Name of the Dockerfile (default: \"PATH/Dockerfile\")").complete(Complete::Files).short('f');
pub(super) const IIDFILE: Text = Text::new("iidfile", "Write the image ID to a file");
pub(super) const ISOLATION: Text = Text::new("isolation", "Container isolation technology").check(isolation);
pub(super) const JOBS: Number =
    Number::new("jobs", "Steps that are done at once (default: one for each processor)").short('j').value_name("int");
pub(super) const LABEL: Texts = Texts::new("label", "Set metadata for an image").check(checks::label);
pub(super) const LOAD: Switch = Switch::new("load", "Shorthand for \"--output=type=docker\"");
pub(super) const METADATA_FILE: Text = Text::new("metadata-file", "Write build result metadata to a file");
pub(super) const NETWORK: Text =
    Text::new("network", "Set the networking mode for the \"RUN\" instructions during build")
        .complete(Complete::Words(&["default", "none", "host"]))
        .default("default");
pub(super) const NO_CACHE: Switch = Switch::new("no-cache", "Do not use cache when building the image");
pub(super) const NO_CACHE_FILTER: Texts = Texts::of_commas("no-cache-filter", "Do not cache specified stages");
pub(super) const ON_ERROR: Text =
    Text::new("on-error", "What a failed step leads to: \"shell\" opens one in it, with its mounts").check(on_error);
pub(super) const OUTPUT: Texts =
    Texts::new("output", "Output destination (format: \"type=local,dest=path\")").short('o');
pub(super) const PLATFORM: Texts =
    Texts::of_commas("platform", "Set target platform for build").complete(choices::PLATFORMS);
pub(super) const PROGRESS: Text = Text::new(
    "progress",
    "Set type of progress output (\"auto\", \"none\", \"plain\", \"quiet\", \"rawjson\", \"json\", \"tty\")",
)
.complete(Complete::Words(&["auto", "none", "plain", "quiet", "rawjson", "json", "tty"]))
.default("auto");
pub(super) const PROVENANCE: Text =
    Text::new("provenance", "Shorthand for \"--attest=type=provenance\"").check(provenance);
pub(super) const PULL: Switch = Switch::new("pull", "Always attempt to pull all referenced images");
pub(super) const PUSH: Switch = Switch::new("push", "Shorthand for \"--output=type=registry\"");
pub(super) const QUIET: Switch =
    Switch::new("quiet", "Suppress the build output and print image ID on success").short('q');
pub(super) const REWRITE_TIMESTAMP: Switch =
    Switch::new("rewrite-timestamp", "Give files the time of SOURCE_DATE_EPOCH that are younger");
pub(super) const RM: Switch =
    Switch::new("rm", "Remove intermediate containers: none are left in any case").default("true");
pub(super) const FORCE_RM: Switch =
    Switch::new("force-rm", "Always remove intermediate containers: none are left in any case");
pub(super) const SBOM: Text = Text::new("sbom", "Shorthand for \"--attest=type=sbom\"").check(sbom);
pub(super) const SECRET: Texts =
    Texts::new("secret", "Secret to expose to the build (format: \"id=mysecret[,src=/local/secret]\")");
pub(super) const SSH: Texts = Texts::new(
    "ssh",
    "SSH agent socket or keys to expose to the build (format: \"default|<id>[=<socket>|<key>[,<key>]]\")",
);
pub(super) const TAG: Texts =
    Texts::new("tag", "Name and optionally a tag (format: \"name:tag\")").short('t').check(reference);
pub(super) const TARGET: Text = Text::new("target", "Set the target build stage to build").complete(Complete::Nothing);

/// All of them, in the order of help.
pub(super) static ALL: &[Flag] = &[
    create_flags::ADD_HOST.flag(),
    ALLOW.flag(),
    ANNOTATION.flag(),
    ATTEST.flag(),
    BUILD_ARG.flag(),
    BUILD_CONTEXT.flag(),
    BUILDER.flag(),
    CACHE_FROM.flag(),
    CACHE_TO.flag(),
    CALL.flag(),
    create_flags::CGROUP_PARENT.flag(),
    CHECK.flag(),
    Flag::bool("compress", "Compress the build context using gzip: it is not sent anywhere").hidden(),
    create_flags::CPU_PERIOD.flag(),
    create_flags::CPU_QUOTA.flag(),
    create_flags::CPU_SHARES.flag(),
    create_flags::CPUSET_CPUS.flag(),
    create_flags::CPUSET_MEMS.flag(),
    DEBUG.flag(),
    DISABLE_CONTENT_TRUST.flag(),
    EXPLAIN.flag(),
    FILE.flag(),
    FORCE_RM.flag(),
    IIDFILE.flag(),
    ISOLATION.flag(),
    JOBS.flag(),
    LABEL.flag(),
    LOAD.flag(),
    create_flags::MEMORY.flag(),
    create_flags::MEMORY_SWAP.flag(),
    METADATA_FILE.flag(),
    NETWORK.flag(),
    NO_CACHE.flag(),
    NO_CACHE_FILTER.flag(),
    ON_ERROR.flag(),
    OUTPUT.flag(),
    PLATFORM.flag(),
    Flag::list("policy", "Policy of a builder: there is none to be asked").hidden(),
    PROGRESS.flag(),
    PROVENANCE.flag(),
    PULL.flag(),
    PUSH.flag(),
    QUIET.flag(),
    Flag::list("resource", "Limits of a builder: there is none that runs").hidden(),
    REWRITE_TIMESTAMP.flag(),
    RM.flag(),
    SBOM.flag(),
    SECRET.flag(),
    Flag::list("security-opt", "Security options: a step has none but what --allow gives").hidden(),
    create_flags::SHM_SIZE.flag(),
    Flag::bool("squash", "Squash newly built layers: a matter of stages here").hidden(),
    SSH.flag(),
    TAG.flag(),
    TARGET.flag(),
    create_flags::ULIMIT.flag(),
];

fn reference(text: &str) -> Result<(), String> {
    text.parse::<Reference>().map(drop).map_err(|why| why.to_string())
}

/// The name of a builder.
pub(crate) fn builder(text: &str) -> Result<(), String> {
    match text {
        "" | "default" => Ok(()),
        _ => Err(format!("no builder {text:?} found: there is one, \"default\"")),
    }
}

fn build_context(text: &str) -> Result<(), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok(()),
        _ => Err(format!("invalid context value: {text}, expected key=value")),
    }
}

fn isolation(text: &str) -> Result<(), String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "default" => Ok(()),
        _ => Err(format!("invalid isolation: {text:?}: Linux has no other than \"default\"")),
    }
}

fn on_error(text: &str) -> Result<(), String> {
    match text {
        "shell" => Ok(()),
        _ => Err(format!("invalid value {text:?}: must be \"shell\"")),
    }
}

fn sbom(text: &str) -> Result<(), String> {
    super::attest::is_sbom(text).map(drop)
}

fn provenance(text: &str) -> Result<(), String> {
    super::attest::shorthand(text).map(drop)
}

fn attestation(text: &str) -> Result<(), String> {
    super::attest::attestation(text).map(drop)
}
