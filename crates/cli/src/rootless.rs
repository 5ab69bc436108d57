//! Commands of ordinary users that need more than an ordinary user may: files of several owners, and mounts.
//!
//! They move into a user namespace before they begin ([`wharfie_runtime::rootless`]); what they do there they do in the
//! same words as root does. Each command says whether it needs that ([`Needs`]); all others stay outside, where they are
//! quicker.

use std::path::Path;

use wharfie_oci::Fault;
use wharfie_runtime::UserNamespace;
use wharfie_runtime::rootless::{self, Standing};

use crate::commands::container::create_flags;
use crate::commands::inspect::SIZE;
use crate::compat;
use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Result};
use crate::flags::{Matches, Needs};

/// The hidden command that deletes what a command outside may not.
pub(crate) const REMOVE_WORD: &str = "__remove";

/// What a command needs that was given these words.
fn need(needs: Needs, matches: &Matches) -> Needs {
    match needs {
        // Sizes are those of all files.
        Needs::SightForSizes if matches.find(&SIZE) == Some(true) => Needs::Sight,
        Needs::SightForSizes => Needs::Nothing,
        needs => needs,
    }
}

/// Enters the namespace if the command needs it and we are not root anyway.
pub(crate) fn prepare(cx: &Context, needs: Needs, matches: &Matches) -> Result {
    let need = need(needs, matches);
    if need == Needs::Nothing || env::is_in_own_namespace() {
        return Ok(());
    }
    match env::standing() {
        Standing::Root => return Ok(()),
        Standing::RootOfNamespace => {
            let result = rootless::own_mounts();
            return if need == Needs::Sight { Ok(()) } else { result.map_err(|why| refused(&why)) };
        }
        Standing::User => {}
    }
    let uid = rustix::process::geteuid();
    let gid = rustix::process::getegid().as_raw();
    let wanted = match uid.is_root() {
        true => UserNamespace::same_ids().map_err(|why| refused(&why))?,
        false => UserNamespace::rootless(uid.as_raw(), gid, &env::user_name(uid.as_raw())).0,
    };
    // A store that cannot be read says so when the command itself reads it.
    let beside = cx.engine()?.living(&names(matches)).unwrap_or_default();
    match rootless::enter(&wanted, &beside) {
        Ok(warning) => {
            // Only of ranges that are there and cannot be had.
            if let Some(warning) = warning {
                cx.warn(&format!("WARNING: {warning}"));
            }
            Ok(())
        }
        Err(_) if need == Needs::Sight => Ok(()),
        Err(why) => Err(refused(&why)),
    }
}

fn refused(why: &wharfie_runtime::Error) -> Failure {
    Failure::new(compat::reasons(why)).help(Some(why.help().unwrap_or_else(|| HELP.to_owned())))
}

const HELP: &str = "who may not mount needs user namespaces: the sysctls user.max_user_namespaces and \
                    kernel.unprivileged_userns_clone, and AppArmor, must allow them; within a container so must its own \
                    profile (`--security-opt seccomp=unconfined --security-opt systempaths=unconfined`, or `--privileged`)";

/// The words of a command line that may name containers.
fn names(matches: &Matches) -> Vec<String> {
    let flags = [&create_flags::NETWORK, &create_flags::PID, &create_flags::IPC].into_iter();
    let shared = flags.filter_map(|flag| matches.find(flag)??.strip_prefix("container:"));
    let args = matches.args().iter().map(|arg| arg.split(':').next().unwrap_or_default());
    args.chain(shared).map(str::to_owned).collect()
}

/// Deletes a tree from inside the namespace, by running our own program there: commands that only now and then meet
/// somebody else's files need not all be there.
pub(crate) fn remove(tree: &Path) -> bool {
    if env::is_root() || rustix::process::geteuid().is_root() {
        // It was tried as root already.
        return false;
    }
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg(REMOVE_WORD).arg("--").arg(tree);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success()) && !tree.exists()
}
