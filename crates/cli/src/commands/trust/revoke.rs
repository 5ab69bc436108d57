//! `trust revoke`: signatures go.

use wharfie_engine::Error;
use wharfie_engine::trust::{Revoke, TrustError};
use wharfie_oci::Reference;

use crate::commands::Run;
use crate::context::Context;
use crate::failure::Result;
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch};

const YES: Switch = Switch::new("yes", "Do not prompt for confirmation").short('y');

/// `PROG trust revoke`.
pub(super) static COMMAND: Command<Run> = Command {
    about: "Remove trust for an image",
    usage: "[OPTIONS] IMAGE[:TAG]",
    arity: Arity::Exact(1),
    flags: &[YES.flag()],
    examples: &[
        Example { text: "One tag", command: "trust revoke registry.example/team/web:1" },
        Example { text: "Every tag, unasked", command: "trust revoke -y registry.example/team/web" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let typed = &matches.args()[0];
    let reference: Reference = typed.parse().map_err(Error::from)?;
    if reference.digest().is_some() {
        return Err(Error::from(TrustError::DigestReference).into());
    }
    let question = format!("Confirm you would like to delete all signature data for {typed}?");
    if reference.tag().is_none() && !matches.get(&YES) && !cx.confirm(&question)? {
        return Ok(());
    }
    let revoked = cx.engine()?.revoke(&Revoke { reference })?;
    if revoked.is_kept {
        cx.warn(&format!("WARNING: {}", TrustError::Kept(typed.clone())));
    }
    cx.line(&format!("Successfully deleted signature for {typed}"))
}
