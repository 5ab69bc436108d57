//! `logout`: forgetting credentials.

use crate::commands::Run;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Example, Matches};

/// `PROG logout`.
pub static COMMAND: Command<Run> = Command {
    about: "Log out from a registry",
    usage: "[SERVER]",
    arity: Arity::AtMost(1),
    examples: &[Example { text: "Forget a registry's credentials", command: "logout registry.example" }],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let server = matches.arg(0).unwrap_or_default();
    cx.line(&format!("Removing login credentials for {}", wharfie_remote::registry_key(server)))?;
    if cx.remote_keychain_is_overridden() {
        cx.warn("WARNING: DOCKER_AUTH_CONFIG is set and still provides credentials");
    }
    let erased = cx.engine()?.remote().keychain().erase(server);
    if !erased.failures.is_empty() && erased.failures.len() == erased.tried {
        cx.warn("WARNING: could not erase credentials:");
        for (key, why) in &erased.failures {
            cx.warn(&format!("{key}: {}", crate::compat::reasons(why)));
        }
    }
    Ok(())
}
