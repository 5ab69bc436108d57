//! The command tree and its aliases, nothing else.

pub mod build;
pub mod builder;
pub mod buildx;
mod choices;
pub mod completion;
pub mod container;
pub mod copy;
pub mod image;
pub mod insight;
pub mod inspect;
pub mod login;
pub mod logout;
pub mod maintain;
pub mod manifest;
pub mod manpage;
mod place;
pub mod search;
pub mod serve;
pub mod system;
pub mod tags;
pub mod trust;
pub mod unshare;
pub mod version;

#[cfg(test)]
mod tests;

use wharfie_engine::patterns::{Meant, Named};

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Command, Entry, Flag, Matches, Switch, Text, Texts};
use crate::render::progress::{Progress, Style};

/// What a command of the tree calls.
pub type Run = fn(&Context, &Matches) -> Result;

/// Where docker's files are.
pub(crate) const CONFIG: Text = Text::new("config", "Location of client config files").default("");
/// Which machine: there is one.
pub(crate) const CONTEXT: Text =
    Text::new("context", "Name of the context: only \"default\", since there is no other machine").short('c').hidden();
/// Whose socket: there is none.
pub(crate) const HOST: Texts =
    Texts::new("host", "Socket of the daemon: only of this machine, which has none").short('H').hidden();
/// Registries that need not prove who they are.
pub(crate) const INSECURE_REGISTRY: Texts =
    Texts::new("insecure-registry", "Registry that may be reached without proven encryption");
/// How much is told: nothing here logs by level.
pub(crate) const LOG_LEVEL: Text =
    Text::new("log-level", "Set the logging level (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")")
        .complete(choices::LOG_LEVELS)
        .short('l')
        .default("info");
/// Registries that are asked first.
pub(crate) const REGISTRY_MIRROR: Texts = Texts::new("registry-mirror", "Registry to ask before Docker Hub");
/// Where the store is.
pub(crate) const STORE_ROOT: Text = Text::new("root", "Directory of the store");

/// TLS is spoken to other machines, and there is none.
pub(crate) const TLS: Switch =
    Switch::new("tls", "Use TLS: refused, since it is only spoken to other machines").hidden();
/// Whom such a machine's certificate must be of.
pub(crate) const TLSCACERT: Text = Text::new("tlscacert", "Trust certs signed only by this CA: refused").hidden();
/// The certificate that is shown to it.
pub(crate) const TLSCERT: Text = Text::new("tlscert", "Path to TLS certificate file: refused").hidden();
/// The key to that.
pub(crate) const TLSKEY: Text = Text::new("tlskey", "Path to TLS key file: refused").hidden();
/// Whether it has to prove who it is.
pub(crate) const TLS_VERIFY: Switch = Switch::new("tlsverify", "Use TLS and verify the remote: refused").hidden();

/// The whole program.
pub static ROOT: Command<Run> = Command {
    about: "Images and registries without a daemon",
    usage: "[OPTIONS] COMMAND [ARG...]",
    flags: &[
        CONFIG.flag(),
        CONTEXT.flag(),
        Flag::bool("debug", "Enable debug mode").short('D'),
        HOST.flag(),
        INSECURE_REGISTRY.flag(),
        LOG_LEVEL.flag(),
        REGISTRY_MIRROR.flag(),
        STORE_ROOT.flag(),
        TLS.flag(),
        TLSCACERT.flag(),
        TLSCERT.flag(),
        TLSKEY.flag(),
        TLS_VERIFY.flag(),
        Flag::bool("version", "Print version information and quit").short('v'),
    ],
    subcommands: &[
        Entry::new("run", &container::run::RUN).common(),
        Entry::new("exec", &container::exec::EXEC).common(),
        Entry::new("ps", &container::ls::COMMAND).common(),
        Entry::new("build", &build::COMMAND).common(),
        Entry::new("pull", &image::pull::COMMAND).common(),
        Entry::new("push", &image::push::COMMAND).common(),
        Entry::new("images", &image::ls::COMMAND).common(),
        Entry::new("login", &login::COMMAND).common(),
        Entry::new("logout", &logout::COMMAND).common(),
        Entry::new("search", &search::COMMAND).common(),
        Entry::new("tags", &tags::COMMAND).common(),
        Entry::new("copy", &copy::COMMAND).common(),
        Entry::new("analyze", &insight::analyze::COMMAND).common(),
        Entry::new("sbom", &insight::sbom::COMMAND).common(),
        Entry::new("scan", &insight::scan::COMMAND).common(),
        Entry::new("maintain", &maintain::COMMAND).common(),
        Entry::new("serve", &serve::COMMAND).common(),
        Entry::new("version", &version::COMMAND).common(),
        Entry::new("info", &system::info::COMMAND).common(),
        Entry::new("builder", &builder::COMMAND),
        Entry::new("buildx", &buildx::COMMAND),
        Entry::new("container", &container::COMMAND),
        Entry::new("image", &image::COMMAND),
        Entry::new("manifest", &manifest::COMMAND),
        Entry::new("network", &container::network::COMMAND),
        Entry::new("system", &system::COMMAND),
        Entry::new("trust", &trust::COMMAND),
        Entry::new("volume", &container::volume::COMMAND),
        Entry::new("attach", &container::exec::ATTACH),
        Entry::new("commit", &container::changes::COMMIT),
        Entry::new("cp", &container::cp::COMMAND),
        Entry::new("create", &container::run::CREATE),
        Entry::new("diff", &container::changes::DIFF),
        Entry::new("events", &system::events::COMMAND),
        Entry::new("export", &container::changes::EXPORT),
        Entry::new("kill", &container::lifecycle::KILL),
        Entry::new("logs", &container::logs::COMMAND),
        Entry::new("pause", &container::lifecycle::PAUSE),
        Entry::new("port", &container::facts::PORT),
        Entry::new("rename", &container::lifecycle::RENAME),
        Entry::new("restart", &container::lifecycle::RESTART),
        Entry::new("rm", &container::lifecycle::RM),
        Entry::new("start", &container::lifecycle::START),
        Entry::new("stats", &container::stats::COMMAND),
        Entry::new("stop", &container::lifecycle::STOP),
        Entry::new("top", &container::facts::TOP),
        Entry::new("unpause", &container::lifecycle::UNPAUSE),
        Entry::new("update", &container::update::COMMAND),
        Entry::new("wait", &container::lifecycle::WAIT),
        Entry::new("completion", &completion::COMMAND),
        Entry::new("history", &image::history::COMMAND),
        Entry::new("import", &image::import::COMMAND),
        Entry::new("inspect", &inspect::COMMAND),
        Entry::new("load", &image::load::COMMAND),
        Entry::new("manpage", &manpage::COMMAND),
        Entry::new("rmi", &image::rm::COMMAND),
        Entry::new("save", &image::save::COMMAND),
        Entry::new("tag", &image::tag::COMMAND),
        Entry::new("unshare", &unshare::COMMAND),
        Entry::new(crate::rootless::REMOVE_WORD, &unshare::REMOVE).hidden(),
        Entry::new("__complete", &completion::WORDS).hidden(),
    ],
    interspersed: false,
    ..Command::BASE
};

/// Help of `--format` in list commands.
pub(crate) const FORMAT_HELP: &str = "Format output using a custom template:\n'table':            Print output in table format with column headers (default)\n'table TEMPLATE':   Print output in table format using the given Go template\n'json':             Print in JSON format\n'TEMPLATE':         Print output using the given Go template.\nRefer to https://docs.docker.com/go/formatting/ for more information about\nformatting output with templates";

/// A template that cannot be used, in docker's words.
pub(crate) fn template_failure(why: impl std::fmt::Display) -> Failure {
    Failure::new(format!("template parsing error: {why}"))
}

/// `--dry-run` of commands that remove something.
pub(crate) const DRY_RUN: Switch = Switch::new("dry-run", "Show what would be removed, and remove nothing");

/// `--pattern` of commands that take several names: without it a word is a name, as with docker.
pub(crate) const PATTERN: Switch = Switch::new("pattern", "Take words with \"*\", \"?\" or \"[\" as patterns of names");

/// What the words of such a command name.
pub(crate) fn meant(cx: &Context, named: Named, matches: &Matches) -> Result<Vec<Meant>> {
    let words = matches.args();
    if matches.get(&PATTERN) {
        return Ok(cx.engine()?.expand(named, words)?);
    }
    Ok(words.iter().map(|word| Meant { word: word.clone(), name: Ok(word.clone()) }).collect())
}

/// A failure about a word: what would make a pattern of it, if it looks like one.
pub(crate) fn about_word(failure: Failure, word: &str, matches: &Matches) -> Failure {
    let is_pattern = wharfie_engine::patterns::is_pattern(word) && !matches.get(&PATTERN);
    failure.help(is_pattern.then(|| "with `--pattern` it means all names that fit".to_owned()))
}

/// `--force` of commands that ask before they remove something.
pub(crate) const UNASKED: Switch = Switch::new("force", "Do not prompt for confirmation").short('f');

/// `--progress` of commands that work long.
pub(crate) const PROGRESS: Text =
    Text::new("progress", "Set type of progress output (\"auto\", \"tty\", \"plain\", \"json\", \"quiet\")")
        .complete(choices::PROGRESS)
        .default("auto");

/// The progress asked for; it moves if it goes to a terminal, else it is plain lines.
pub(crate) fn style(matches: &Matches, is_terminal: bool, quiet: bool) -> Result<Style> {
    match matches.get(&PROGRESS).unwrap_or_default() {
        "json" => Ok(Style::Json),
        _ if quiet => Ok(Style::Quiet),
        "tty" => Ok(Style::Tty),
        "plain" => Ok(Style::Plain),
        "quiet" => Ok(Style::Quiet),
        "auto" | "" if is_terminal => Ok(Style::Tty),
        "auto" | "" => Ok(Style::Plain),
        other => Err(Failure::new(format!("invalid progress mode {other:?}: must be auto, tty, plain, json or quiet"))),
    }
}

/// Prints what a command came to. Among events it is one.
pub(crate) fn print_result(cx: &Context, progress: &dyn Progress, style: Style, text: &str) -> Result {
    if style == Style::Json {
        progress.line(text);
        return Ok(());
    }
    cx.line(text)
}
