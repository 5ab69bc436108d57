//! How a container is, as its row says it.
//!
//! Only a container that runs has a process, addresses and ports: what has none cannot name one. On the disk a state stays
//! the flat document that it has always been, so that stores of every age are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// Made, never started.
    #[default]
    Created,
    /// Its process lives.
    Running(Running),
    /// Its processes are frozen.
    Paused(Running),
    /// It ended and is about to be started again.
    Restarting,
    /// It ended.
    Exited,
}

/// What a container has while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its first process.
    pub process: ProcessMark,
    /// What the runtime needs to handle it: a document of the runtime's.
    pub target: String,
    /// Its address on the first bridge, if it is on one.
    pub address: String,
    /// Its addresses by the networks' names, and which of its devices has each.
    pub addresses: BTreeMap<String, (String, u8)>,
    /// Ports of the host that lead to it: a document of the engine's.
    pub ports: String,
    /// Who froze it for a moment and will thaw it, if somebody has.
    pub frozen_by: Option<ProcessMark>,
}

/// The words for what a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// [`Phase::Created`].
    #[default]
    Created,
    /// [`Phase::Running`].
    Running,
    /// [`Phase::Paused`].
    Paused,
    /// [`Phase::Restarting`].
    Restarting,
    /// [`Phase::Exited`].
    Exited,
}

impl Status {
    /// The word that `ps`, `inspect` and filters use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
        }
    }

    /// True for a container that has ended or was never started.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Created | Self::Exited)
    }
}

/// How a container says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Nobody asks it.
    #[default]
    #[serde(rename = "")]
    Unchecked,
    /// It has not said yet.
    Starting,
    /// Well.
    Healthy,
    /// Not well, several times in a row; or it has ended.
    Unhealthy,
}

impl Health {
    /// What it is after the container's end.
    pub fn after_end(self) -> Self {
        if self == Self::Unchecked { self } else { Self::Unhealthy }
    }

    /// Docker's word; `none` where nobody asks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "none",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// A process, told from a later one of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    /// Its number.
    pub pid: u32,
    /// When the kernel started it, in ticks since boot.
    pub started: u64,
}

/// How a container is. Moments are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct ContainerState {
    /// What it is doing.
    pub phase: Phase,
    /// The process that looks after it, if one does: from its making, where it is made to run at once, to its end.
    pub monitor: Option<ProcessMark>,
    /// Who stops it to start it again: meanwhile it does not go with its end.
    pub restarter: Option<ProcessMark>,
    /// When it was started last.
    pub started_at: Option<i64>,
    /// When it ended last.
    pub finished_at: Option<i64>,
    /// How it ended last.
    pub exit_code: i32,
    /// True if the kernel ended it for want of memory.
    pub oom_killed: bool,
    /// Why it could not be started.
    pub error: String,
    /// How often its restart policy started it again.
    pub restarts: u32,
    /// How it says it is.
    pub health: Health,
    /// True once the user has stopped it: restart policies respect that.
    pub is_stopped_by_user: bool,
}

impl ContainerState {
    /// The word for what it is doing.
    pub fn status(&self) -> Status {
        match &self.phase {
            Phase::Created => Status::Created,
            Phase::Running(_) => Status::Running,
            Phase::Paused(_) => Status::Paused,
            Phase::Restarting => Status::Restarting,
            Phase::Exited => Status::Exited,
        }
    }

    /// What it has as long as it runs, frozen or not.
    pub fn running(&self) -> Option<&Running> {
        match &self.phase {
            Phase::Running(running) | Phase::Paused(running) => Some(running),
            Phase::Created | Phase::Restarting | Phase::Exited => None,
        }
    }

    /// As [`Self::running`], to be changed.
    pub fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.phase {
            Phase::Running(running) | Phase::Paused(running) => Some(running),
            Phase::Created | Phase::Restarting | Phase::Exited => None,
        }
    }

    /// Its first process, if it runs.
    pub fn process(&self) -> Option<ProcessMark> {
        Some(self.running()?.process)
    }

    /// Names of the networks where it has an address, if it runs.
    pub fn networks(&self) -> impl Iterator<Item = &String> {
        self.running().into_iter().flat_map(|running| running.addresses.keys())
    }

    /// Its address on a network and which of its devices has it, if it runs there.
    pub fn address_on(&self, network: &str) -> Option<&(String, u8)> {
        self.running()?.addresses.get(network)
    }

    /// Who froze it for a moment and will thaw it, if somebody has.
    pub fn frozen_by(&self) -> Option<ProcessMark> {
        self.running()?.frozen_by
    }

    /// Its processes are frozen from now on, for `by` or for the user. One that does not run stays as it is.
    pub fn freeze(&mut self, by: Option<ProcessMark>) {
        self.phase = match std::mem::take(&mut self.phase) {
            Phase::Running(running) => Phase::Paused(Running { frozen_by: by, ..running }),
            other => other,
        };
    }

    /// Its processes run on from now on. One that is not frozen only forgets who was about to freeze it.
    pub fn thaw(&mut self) {
        self.phase = match std::mem::take(&mut self.phase) {
            Phase::Paused(running) | Phase::Running(running) => Phase::Running(Running { frozen_by: None, ..running }),
            other => other,
        };
    }
}

/// A state as its row has it.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Stored {
    status: Status,
    pid: Option<u32>,
    pid_started: u64,
    target: String,
    address: String,
    addresses: BTreeMap<String, (String, u8)>,
    ports: String,
    monitor: Option<u32>,
    monitor_started: u64,
    frozen_by: Option<ProcessMark>,
    restarter: Option<ProcessMark>,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    exit_code: i32,
    oom_killed: bool,
    error: String,
    restarts: u32,
    health: Health,
    is_stopped_by_user: bool,
}

impl From<Stored> for ContainerState {
    fn from(row: Stored) -> Self {
        let process = row.pid.map(|pid| ProcessMark { pid, started: row.pid_started });
        let running = process.map(|process| Running {
            process,
            target: row.target,
            address: row.address,
            addresses: row.addresses,
            ports: row.ports,
            frozen_by: row.frozen_by,
        });
        let phase = match (row.status, running) {
            (Status::Created, _) => Phase::Created,
            (Status::Restarting, _) => Phase::Restarting,
            (Status::Running, Some(running)) => Phase::Running(running),
            (Status::Paused, Some(running)) => Phase::Paused(running),
            // Without a process it does not run, whatever the row claims.
            (Status::Exited, _) | (Status::Running | Status::Paused, None) => Phase::Exited,
        };
        Self {
            phase,
            monitor: row.monitor.map(|pid| ProcessMark { pid, started: row.monitor_started }),
            restarter: row.restarter,
            started_at: row.started_at,
            finished_at: row.finished_at,
            exit_code: row.exit_code,
            oom_killed: row.oom_killed,
            error: row.error,
            restarts: row.restarts,
            health: row.health,
            is_stopped_by_user: row.is_stopped_by_user,
        }
    }
}

impl From<ContainerState> for Stored {
    fn from(state: ContainerState) -> Self {
        let status = state.status();
        let row = Self {
            status,
            monitor: state.monitor.map(|monitor| monitor.pid),
            monitor_started: state.monitor.map(|monitor| monitor.started).unwrap_or_default(),
            restarter: state.restarter,
            started_at: state.started_at,
            finished_at: state.finished_at,
            exit_code: state.exit_code,
            oom_killed: state.oom_killed,
            error: state.error,
            restarts: state.restarts,
            health: state.health,
            is_stopped_by_user: state.is_stopped_by_user,
            ..Self::default()
        };
        match state.phase {
            Phase::Running(running) | Phase::Paused(running) => Self {
                pid: Some(running.process.pid),
                pid_started: running.process.started,
                target: running.target,
                address: running.address,
                addresses: running.addresses,
                ports: running.ports,
                frozen_by: running.frozen_by,
                ..row
            },
            Phase::Created | Phase::Restarting | Phase::Exited => row,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first versions wrote it.
    const RUNNING: &str = r#"{"status":"paused","pid":71,"pid_started":9001,"target":"{}","address":"172.29.0.2",
        "addresses":{"bridge":["172.29.0.2",0]},"ports":"[]","monitor":70,"monitor_started":9000,
        "frozen_by":{"pid":5,"started":6},"restarter":null,"started_at":1700000000000000000,"finished_at":null,
        "exit_code":0,"oom_killed":false,"error":"","restarts":2,"health":"healthy","is_stopped_by_user":false}"#;

    #[test]
    fn rows_of_earlier_stores_are_read() {
        let state: ContainerState = serde_json::from_str(RUNNING).unwrap();
        let running = Running {
            process: ProcessMark { pid: 71, started: 9001 },
            target: "{}".to_owned(),
            address: "172.29.0.2".to_owned(),
            addresses: [("bridge".to_owned(), ("172.29.0.2".to_owned(), 0))].into(),
            ports: "[]".to_owned(),
            frozen_by: Some(ProcessMark { pid: 5, started: 6 }),
        };
        let expected = ContainerState {
            phase: Phase::Paused(running),
            monitor: Some(ProcessMark { pid: 70, started: 9000 }),
            started_at: Some(1_700_000_000_000_000_000),
            restarts: 2,
            health: Health::Healthy,
            ..ContainerState::default()
        };
        assert_eq!(state, expected);
        let written: serde_json::Value = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        assert_eq!(
            written,
            serde_json::from_str::<serde_json::Value>(RUNNING).unwrap(),
            "and are written as they were"
        );
    }

    #[test]
    fn rows_that_lack_fields_or_have_more_are_read() {
        let state: ContainerState =
            serde_json::from_str(r#"{"status":"exited","exit_code":3,"colour":"red"}"#).unwrap();
        assert_eq!((state.status(), state.exit_code, state.monitor), (Status::Exited, 3, None));
        assert_eq!(serde_json::from_str::<ContainerState>("{}").unwrap(), ContainerState::default());
    }

    #[test]
    fn what_has_no_process_does_not_run() {
        let state: ContainerState = serde_json::from_str(r#"{"status":"running","target":"{}"}"#).unwrap();
        assert_eq!(state.phase, Phase::Exited);
        let state: ContainerState = serde_json::from_str(r#"{"status":"exited","pid":71,"pid_started":2}"#).unwrap();
        assert_eq!((state.phase.clone(), state.process()), (Phase::Exited, None));
    }

    #[test]
    fn only_what_runs_is_frozen() {
        let mut state: ContainerState = serde_json::from_str(RUNNING).unwrap();
        state.thaw();
        assert_eq!((state.status(), state.frozen_by()), (Status::Running, None));
        state.freeze(None);
        assert_eq!(state.status(), Status::Paused);
        let mut ended = ContainerState { phase: Phase::Exited, ..ContainerState::default() };
        ended.freeze(None);
        ended.thaw();
        assert_eq!(ended.phase, Phase::Exited);
    }
}
