//! What a filter says, before it is a program; and docker's default profile said that way.

use std::collections::BTreeMap;

use crate::capability::{Capabilities, bits as cap};
use crate::seccomp::table::SYSCALLS;

/// The default profile's opinion of one system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Anybody may.
    Always,
    /// Who holds one of these capabilities may.
    With(u64),
    /// It depends on the arguments.
    Arguments,
    /// Nobody may.
    Never,
}

/// The kernel's answer to a call, as `SECCOMP_RET_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Action(pub(super) u32);

impl Action {
    pub(super) const ALLOW: Self = Self(0x7fff_0000);
    pub(super) const LOG: Self = Self(0x7ffc_0000);
    pub(super) const TRACE: Self = Self(0x7ff0_0000);
    pub(super) const TRAP: Self = Self(0x0003_0000);
    pub(super) const KILL_THREAD: Self = Self(0);
    pub(super) const KILL_PROCESS: Self = Self(0x8000_0000);

    pub(super) const fn errno(number: u16) -> Self {
        Self(0x0005_0000 | number as u32)
    }

    /// The call takes place, perhaps watched.
    pub(super) fn is_lenient(self) -> bool {
        [Self::ALLOW, Self::LOG, Self::TRACE].contains(&self)
    }
}

/// A comparison of one argument, 64 bits wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) argument: u8,
    pub(super) is: Is,
}

/// How an argument compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Equal(u64),
    NotEqual(u64),
    /// Of these bits, exactly those.
    Masked(u64, u64),
    Greater(u64),
    AtLeast(u64),
    Less(u64),
    AtMost(u64),
}

/// An answer, given when all tests hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) tests: Vec<Test>,
    pub(super) action: Action,
}

/// What one architecture's calls get.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// `AUDIT_ARCH_*`.
    pub(super) audit: u32,
    /// By number; the first rule that holds decides, then the default.
    pub(super) calls: BTreeMap<u32, Vec<Rule>>,
}

/// A whole filter.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) default: Action,
    pub(super) sections: Vec<Section>,
}

/// An architecture of the table: its column, its name in profiles, its number for the kernel.
pub(super) struct Architecture {
    pub(super) column: usize,
    pub(super) names: &'static [&'static str],
    pub(super) audit: u32,
}

/// What this machine can run: its own architecture first.
pub(super) const ARCHITECTURES: &[Architecture] = if cfg!(target_arch = "x86_64") {
    &[
        Architecture { column: 0, names: &["amd64", "SCMP_ARCH_X86_64"], audit: 0xc000_003e },
        Architecture { column: 1, names: &["x86", "SCMP_ARCH_X86"], audit: 0x4000_0003 },
    ]
} else {
    &[
        Architecture { column: 2, names: &["arm64", "SCMP_ARCH_AARCH64"], audit: 0xc000_00b7 },
        Architecture { column: 3, names: &["arm", "SCMP_ARCH_ARM"], audit: 0x4000_0028 },
    ]
};

/// Number of the call on an architecture.
pub(super) fn number(row: usize, column: usize) -> Option<u32> {
    u32::try_from(SYSCALLS[row].1[column]).ok()
}

/// Position of a call in the table.
pub(super) fn row(name: &str) -> Option<usize> {
    SYSCALLS.binary_search_by(|(known, ..)| known.cmp(&name)).ok()
}

/// Docker's default profile: everything that containers need, nothing that reaches the machine beneath them.
/// Source: moby's `profiles/seccomp`, its rules said once per call.
pub(super) fn default(capabilities: Capabilities) -> Filter {
    let section = |architecture: &Architecture| {
        let mut calls = BTreeMap::new();
        for (at, (name, _, verdict)) in SYSCALLS.iter().enumerate() {
            let Some(number) = number(at, architecture.column) else { continue };
            let rules = match verdict {
                Verdict::Always => vec![allow(Vec::new())],
                Verdict::With(any) if capabilities.has_any(*any) => vec![allow(Vec::new())],
                // Without a capability only these tell who is observed; with ptrace allowed they add nothing.
                Verdict::With(_) | Verdict::Never => continue,
                Verdict::Arguments => by_arguments(name, capabilities),
            };
            calls.insert(number, rules);
        }
        Section { audit: architecture.audit, calls }
    };
    Filter { default: Action::errno(EPERM), sections: ARCHITECTURES.iter().map(section).collect() }
}

pub(super) fn by_arguments(name: &str, capabilities: Capabilities) -> Vec<Rule> {
    let first = |is| Test { argument: 0, is };
    match name {
        "clone" | "clone3" if capabilities.has_any(cap::SYS_ADMIN) => vec![allow(Vec::new())],
        "clone" => vec![allow(vec![first(Is::Masked(NEW_NAMESPACES, 0))])],
        // Its flags are behind a pointer, where no filter can look.
        "clone3" => vec![Rule { tests: Vec::new(), action: Action::errno(ENOSYS) }],
        "personality" => PERSONALITIES.iter().map(|value| allow(vec![first(Is::Equal(*value))])).collect(),
        "socket" => {
            let range = |(from, to): &(u64, u64)| allow(vec![first(Is::AtLeast(*from)), first(Is::AtMost(*to))]);
            SOCKET_FAMILIES.iter().map(range).collect()
        }
        _ => Vec::new(),
    }
}

fn allow(tests: Vec<Test>) -> Rule {
    Rule { tests, action: Action::ALLOW }
}

pub(super) const EPERM: u16 = 1;
pub(super) const ENOSYS: u16 = 38;
/// Every `CLONE_NEW*` but time, which has no flag there.
const NEW_NAMESPACES: u64 = 0x7e02_0000;
/// Linux and 32-bit Linux, with and without UNAME26, and the question what is set.
const PERSONALITIES: &[u64] = &[0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// Families of sockets, first and last of each range. Left out: what reaches the host past every namespace (VSOCK),
/// the kernel's cryptography (ALG), and protocols nobody speaks any more.
const SOCKET_FAMILIES: &[(u64, u64)] = &[(1, 11), (13, 18), (21, 22), (24, 24), (26, 33), (35, 36), (39, 39), (41, 45)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_names_are_found() {
        assert!(SYSCALLS.is_sorted_by(|(a, ..), (b, ..)| a < b));
        assert_eq!(row("read").and_then(|row| number(row, 0)), Some(0));
        assert_eq!(row("fly"), None);
    }

    #[test]
    fn every_call_that_depends_on_arguments_has_rules() {
        for (name, _, verdict) in SYSCALLS {
            if *verdict == Verdict::Arguments {
                assert!(!by_arguments(name, Capabilities::DEFAULT).is_empty(), "{name}");
            }
        }
    }
}
