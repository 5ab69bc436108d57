//! `trust`: keys, signatures, and whose word counts.

mod inspect;
mod key;
mod passphrase;
mod revoke;
pub mod sign;
mod signer;

use crate::commands::Run;
use crate::flags::{Command, Entry};

/// `PROG trust`.
pub static COMMAND: Command<Run> = Command {
    about: "Manage trust on images",
    subcommands: &[
        Entry::new("inspect", &inspect::COMMAND),
        Entry::new("key", &key::COMMAND),
        Entry::new("revoke", &revoke::COMMAND),
        Entry::new("sign", &sign::COMMAND),
        Entry::new("signer", &signer::COMMAND),
    ],
    ..Command::BASE
};
