//! `top`: the processes of a container, as the host's `ps` shows them.

use std::process::Command;

use super::ContainerError;
use crate::engine::Engine;
use crate::error::Result;

/// What to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Top {
    /// The container's name or id.
    pub container: String,
    /// Options of `ps`; `-ef` if there are none.
    pub options: Vec<String>,
}

/// The processes of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processes {
    /// What the columns are called.
    pub titles: Vec<String>,
    /// A process each, with as many fields as there are titles; the last one may have blanks.
    pub rows: Vec<Vec<String>>,
}

impl Engine {
    /// The processes of a running container. The host's own `ps` knows every option that people give.
    ///
    /// # Errors
    /// When the container does not run, `ps` is not installed or refuses its options, or they hide the processes' numbers.
    pub fn top(&self, top: &Top) -> Result<Processes> {
        let (_, target) = self.running(&top.container)?;
        let mut pids = target.cgroup.processes();
        if pids.is_empty() {
            pids.push(target.pid);
        }
        let list = pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let options = if top.options.is_empty() { vec!["-ef".to_owned()] } else { top.options.clone() };
        // `-e` and `-p` together mean every process: those of the container are chosen below in any case.
        let output = Command::new("ps").args(&options).args(["-p", &list]).output();
        let output = output.map_err(|_| ContainerError::NoPs)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let why = said.lines().next().filter(|line| !line.is_empty()).unwrap_or("ps failed");
            return Err(ContainerError::PsRefused(why.to_owned()).into());
        }
        select(&String::from_utf8_lossy(&output.stdout), &pids)
    }
}

/// The lines of `ps` that are about these processes.
fn select(text: &str, pids: &[u32]) -> Result<Processes> {
    let mut lines = text.lines();
    let titles: Vec<String> = lines.next().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let Some(column) = titles.iter().position(|title| title == "PID") else {
        return Err(ContainerError::NoPids.into());
    };
    let row = |line: &str| {
        let mut fields: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let is_ours = pids.contains(&fields.get(column)?.parse().ok()?);
        if !is_ours || fields.len() < titles.len() {
            return None;
        }
        let last = fields.split_off(titles.len() - 1).join(" ");
        fields.push(last);
        Some(fields)
    };
    let rows = lines.filter_map(row).collect();
    Ok(Processes { titles, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_processes_are_shown_and_commands_keep_their_blanks() {
        let text = "  PID TTY  CMD\n    1 ?    init\n   70 ?    sleep 1 2\n  700 ?    sh\n";
        let found = select(text, &[70, 700]).unwrap();
        assert_eq!(found.titles, ["PID", "TTY", "CMD"]);
        assert_eq!(found.rows, [["70", "?", "sleep 1 2"], ["700", "?", "sh"]]);
        assert_eq!(select("TTY CMD\n? sh\n", &[70]).unwrap_err().to_string(), "Couldn't find PID field in ps output");
    }
}
