//! Capabilities by name: docker's default set, what is added and dropped, and what `ALL` means.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A set of capabilities, one bit each, numbered as in the kernel's `capability.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities(u64);

impl Capabilities {
    /// What docker gives a container that asks for nothing.
    pub const DEFAULT: Self = Self(
        bits::CHOWN
            | bits::DAC_OVERRIDE
            | bits::FSETID
            | bits::FOWNER
            | bits::MKNOD
            | bits::NET_RAW
            | bits::SETGID
            | bits::SETUID
            | bits::SETFCAP
            | bits::SETPCAP
            | bits::NET_BIND_SERVICE
            | bits::SYS_CHROOT
            | bits::KILL
            | bits::AUDIT_WRITE,
    );
    /// None at all.
    pub const NONE: Self = Self(0);
    /// Every one that this wharfie knows by name; a kernel that knows fewer gets fewer.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// Docker's rule for `--cap-add` and `--cap-drop` on top of `self`: `ALL` in `drop` starts from nothing, `ALL` in
    /// `add` from everything, and what is dropped by name stays dropped even if everything was added. Names are
    /// accepted in any case, with or without `CAP_`.
    ///
    /// # Errors
    /// When a name is unknown.
    pub fn adjust<S: AsRef<str>>(self, add: &[S], drop: &[S]) -> Result<Self> {
        let is_all = |names: &[S]| names.iter().any(|name| name.as_ref().eq_ignore_ascii_case("all"));
        let named = |names: &[S]| {
            let names = names.iter().map(AsRef::as_ref).filter(|name| !name.eq_ignore_ascii_case("all"));
            names.map(bit).try_fold(0, |set, bit| Ok::<_, Error>(set | bit?))
        };
        let (added, dropped) = (named(add)?, named(drop)?);
        let set = match (is_all(add), is_all(drop)) {
            (true, _) => Self::ALL.0 & !dropped,
            (false, true) => added,
            (false, false) => (self.0 & !dropped) | added,
        };
        Ok(Self(set))
    }

    /// True if `self` holds any of `bits`, a mask of [`bits`].
    pub fn has_any(self, bits: u64) -> bool {
        self.0 & bits != 0
    }

    /// It and those of `mask`.
    pub(crate) fn with(self, mask: u64) -> Self {
        Self(self.0 | mask)
    }

    /// What is left of it for somebody who holds `mask`.
    pub(crate) fn held_by(self, mask: u64) -> Self {
        Self(self.0 & mask)
    }

    /// The bare mask.
    pub fn mask(self) -> u64 {
        self.0
    }

    /// `CAP_CHOWN`, … in the kernel's order.
    pub fn names(self) -> impl Iterator<Item = String> {
        (0..NAMES.len()).filter(move |n| self.0 & (1 << n) != 0).map(|n| format!("CAP_{}", NAMES[n]))
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(","))
    }
}

fn bit(name: &str) -> Result<u64> {
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    match NAMES.iter().position(|known| *known == bare) {
        Some(number) => Ok(1 << number),
        None => Err(Error::UnknownCapability(name.to_owned())),
    }
}

macro_rules! capabilities {
    ($($name:ident = $number:literal),* $(,)?) => {
        /// Single capabilities as masks.
        #[expect(missing_docs, reason = "the names are the kernel's")]
        pub mod bits {
            $(pub const $name: u64 = 1 << $number;)*
        }
        /// In the order of their numbers.
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        const _: () = { let mut next = 0; $(assert!($number == next); next += 1;)* assert!(next == NAMES.len()); };
    };
}

capabilities! {
    CHOWN = 0, DAC_OVERRIDE = 1, DAC_READ_SEARCH = 2, FOWNER = 3, FSETID = 4, KILL = 5, SETGID = 6, SETUID = 7,
    SETPCAP = 8, LINUX_IMMUTABLE = 9, NET_BIND_SERVICE = 10, NET_BROADCAST = 11, NET_ADMIN = 12, NET_RAW = 13,
    IPC_LOCK = 14, IPC_OWNER = 15, SYS_MODULE = 16, SYS_RAWIO = 17, SYS_CHROOT = 18, SYS_PTRACE = 19, SYS_PACCT = 20,
    SYS_ADMIN = 21, SYS_BOOT = 22, SYS_NICE = 23, SYS_RESOURCE = 24, SYS_TIME = 25, SYS_TTY_CONFIG = 26, MKNOD = 27,
    LEASE = 28, AUDIT_WRITE = 29, AUDIT_CONTROL = 30, SETFCAP = 31, MAC_OVERRIDE = 32, MAC_ADMIN = 33, SYSLOG = 34,
    WAKE_ALARM = 35, BLOCK_SUSPEND = 36, AUDIT_READ = 37, PERFMON = 38, BPF = 39, CHECKPOINT_RESTORE = 40,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(add: &[&str], drop: &[&str], expected: u64) {
        assert_eq!(Capabilities::DEFAULT.adjust(add, drop).unwrap().mask(), expected);
    }

    #[test]
    fn dockers_default_is_the_well_known_number() {
        check(&[], &[], 0xa804_25fb);
    }

    #[test]
    fn adding_and_dropping_follow_docker() {
        check(&["net_admin"], &[], 0xa804_25fb | bits::NET_ADMIN);
        check(&["CAP_NET_ADMIN"], &["ALL"], bits::NET_ADMIN);
        check(&["ALL"], &["SYS_ADMIN"], Capabilities::ALL.mask() & !bits::SYS_ADMIN);
        check(&[], &["all"], 0);
        check(&[], &["CAP_CHOWN"], 0xa804_25fb & !bits::CHOWN);
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(
            matches!(Capabilities::NONE.adjust(&["FLY"], &[]), Err(Error::UnknownCapability(name)) if name == "FLY")
        );
    }
}
