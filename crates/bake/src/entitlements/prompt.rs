//! What a person is told of what is missing, and asked.

use super::{Entitlements, paths};
use crate::csv;
use crate::error::{Error, Result};

/// Who is asked, and how.
pub struct Prompt<'a> {
    /// Where the user stands, absolute, with all links followed.
    pub working_directory: &'a str,
    /// True if there is somebody to answer.
    pub is_terminal: bool,
    /// True if the definition comes from elsewhere.
    pub is_remote: bool,
    /// The words of the command line, with its program.
    pub command: &'a [String],
    /// The environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

/// What is told and asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompted {
    /// What is told, for standard error.
    pub text: String,
    /// What is asked behind it; only `y` is a yes. `None` if nobody is there to answer, or nothing depends on it.
    pub question: Option<String>,
    /// True if the build must not go on without a yes. The error's text then is [`Prompted::REFUSED`].
    pub is_required: bool,
}

impl Prompted {
    /// What is said if the build does not go on.
    pub const REFUSED: &'static str = "additional privileges requested";
}

impl Entitlements {
    /// What to say if this is missing; `None` if nothing is.
    ///
    /// # Errors
    /// When a variable that turns the check of paths on or off is neither true nor false.
    pub fn prompt(&self, prompt: &Prompt<'_>) -> Result<Option<Prompted>> {
        let capabilities = self.capability_lines();
        let files = self.file_lines(prompt.working_directory);
        if capabilities.is_empty() && files.is_empty() {
            return Ok(None);
        }
        let mut text =
            "Your build is requesting privileges for following possibly insecure capabilities:\n\n".to_owned();
        for (message, _) in capabilities.iter().chain(&files) {
            text.push_str(&format!(" - {message}\n"));
        }
        let flags: Vec<_> = capabilities.iter().chain(&files).map(|(_, flag)| format!("--allow={flag}")).collect();
        let flags = flags.join(" ");
        text.push_str(&match prompt.is_terminal {
            true => format!(
                "\nIn order to not see this message in the future pass {flags:?} to grant requested privileges.\n"
            ),
            false => format!("\nPass {flags:?} to grant requested privileges.\n"),
        });
        if let Some(at) = prompt.command.iter().position(|word| word == "bake") {
            let (before, after) = prompt.command.split_at(at + 1);
            text.push_str(&format!(
                "\nYour full command with requested privileges:\n\n{} {flags} {}\n\n",
                before.join(" "),
                after.join(" ")
            ));
        }
        let (checks_files, is_chosen) = checks_files(prompt)?;
        if checks_files && !is_chosen && !files.is_empty() {
            let hint = "To disable filesystem entitlements checks, you can set BUILDX_BAKE_ENTITLEMENTS_FS=0 .\n\n";
            text.push_str(hint);
        }
        let is_required = checks_files || !capabilities.is_empty();
        let question = "Do you want to grant requested privileges and continue? [y/N] ";
        let question = (is_required && prompt.is_terminal).then(|| question.to_owned());
        Ok(Some(Prompted { text, question, is_required }))
    }

    /// What is told, and the flag that allows it.
    fn capability_lines(&self) -> Vec<(String, String)> {
        let line = |message: &str, flag: &str| (message.to_owned(), flag.to_owned());
        let mut lines = Vec::new();
        if self.network_host {
            lines.push(line("Running build containers that can access host network", "network.host"));
        }
        if self.security_insecure {
            lines.push(line("Running privileged containers that can make system changes", "security.insecure"));
        }
        if self.all_devices {
            lines.push(line("Access to CDI devices", "device"));
        } else {
            let device = |name| (format!("Access to device {name}"), format!("device={name}"));
            lines.extend(self.devices.iter().map(device));
        }
        if self.local_delete {
            lines.push(line("Deleting stale files from local output destinations", "buildx.local.delete"));
        }
        lines
    }

    fn file_lines(&self, working_directory: &str) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        if self.ssh {
            lines.push(("Forwarding default SSH agent socket".to_owned(), "ssh".to_owned()));
        }
        let (both, read): (Vec<_>, Vec<_>) = self.read.iter().cloned().partition(|path| self.write.contains(path));
        let write: Vec<_> = self.write.iter().filter(|path| !both.contains(path)).cloned().collect();
        for (paths, what, flag) in
            [(both, "Read and write", "fs"), (read, "Read", "fs.read"), (write, "Write", "fs.write")]
        {
            for path in paths::shown(&paths, working_directory) {
                lines.push((format!("{what} access to path {path}"), format!("{flag}={path}")));
            }
        }
        lines
    }
}

/// Whether paths are checked, and whether the user said so.
fn checks_files(prompt: &Prompt<'_>) -> Result<(bool, bool)> {
    let truth = |name: &str| match (prompt.environment)(name) {
        None => Ok(None),
        Some(text) => csv::truth(&text).map(Some).ok_or_else(|| {
            let why = format!("strconv.ParseBool: parsing \"{text}\": invalid syntax");
            Error::new(format!("failed to parse {name} value \"{text}\": {why}"))
        }),
    };
    let allowed = if prompt.is_remote { truth("BAKE_ALLOW_REMOTE_FS_ACCESS")? } else { None };
    let chosen = truth("BUILDX_BAKE_ENTITLEMENTS_FS")?;
    Ok((chosen.unwrap_or(!allowed.unwrap_or(false)), chosen.is_some()))
}
