//! Which device nodes a container may use: told to the `devices` controller of version 1, or written as a small
//! program for the kernel, which is how version 2 has it.

use std::os::fd::AsFd;
use std::path::Path;

use crate::cgroup::{Cgroup, write};
use crate::error::{Error, Result};
use crate::sys;

/// One kind of device that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// `c` or `b`.
    pub(crate) kind: char,
    /// `None` is any.
    pub(crate) major: Option<u32>,
    /// `None` is any.
    pub(crate) minor: Option<u32>,
    /// Some of `rwm`.
    pub(crate) access: String,
}

impl Cgroup {
    /// Allows the usual devices and `rules`, and nothing else. False if nothing here can filter.
    pub(crate) fn allow_devices(&self, rules: &[Rule]) -> Result<bool> {
        let rules = || usual().chain(rules.iter().cloned());
        if let Some((_, path)) = self.version1.iter().find(|(name, _)| name == "devices") {
            tell(path, "devices.deny", "a")?;
            for Rule { kind, major, minor, access } in rules() {
                let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
                tell(path, "devices.allow", &format!("{kind} {}:{} {access}", number(major), number(minor)))?;
            }
            return Ok(true);
        }
        let Some(path) = &self.version2 else { return Ok(false) };
        let directory = std::fs::File::open(path).map_err(Error::system(format!("open {}", path.display())))?;
        match sys::attach_device_program(&program(rules()), directory.as_fd()) {
            Ok(()) => Ok(true),
            // Not privileged, or a kernel without such programs.
            Err(_) => Ok(false),
        }
    }
}

fn tell(path: &Path, file: &str, value: &str) -> Result<()> {
    let path = path.join(file);
    write(&path, value).map_err(Error::system(format!("write {}", path.display())))
}

/// Docker's: any node may be made, and the harmless ones used.
fn usual() -> impl Iterator<Item = Rule> {
    let rule = |kind, major, minor, access: &str| Rule { kind, major, minor, access: access.to_owned() };
    let make = ['c', 'b'].map(|kind| rule(kind, None, None, "m"));
    let memory = [3, 5, 7, 8, 9].map(|minor| rule('c', Some(1), Some(minor), "rwm"));
    let terminals = [0, 1, 2].map(|minor| rule('c', Some(5), Some(minor), "rwm"));
    make.into_iter().chain(memory).chain(terminals).chain([rule('c', Some(136), None, "rwm")])
}

/// The program: compares what is asked with each rule, and says 1 at the first that allows it, 0 after the last.
/// Source: kernel, `bpf_cgroup_dev_ctx`.
fn program(rules: impl Iterator<Item = Rule>) -> Vec<u64> {
    // Registers: 2 kind of device, 3 kind of access, 4 major, 5 minor; 1 holds the context, and is free afterwards.
    let mut all = vec![
        instruction(LOAD, 2, 1, 0, 0),
        instruction(AND, 2, 0, 0, 0xffff),
        instruction(LOAD, 3, 1, 0, 0),
        instruction(SHIFT_RIGHT, 3, 0, 0, 16),
        instruction(LOAD, 4, 1, 4, 0),
        instruction(LOAD, 5, 1, 8, 0),
    ];
    for Rule { kind, major, minor, access } in rules {
        let kind = if kind == 'b' { 1 } else { 2 };
        let bits = [('m', 1), ('r', 2), ('w', 4)];
        let allowed = bits.iter().filter(|(letter, _)| access.contains(*letter)).map(|(_, bit)| bit).sum();
        // Code, register to compare, value; each jumps over the rest of the rule if it differs.
        let mut tests = vec![(2, kind)];
        tests.extend(major.map(|major| (4, major)));
        tests.extend(minor.map(|minor| (5, minor)));
        // After the tests come three instructions about the access and two that allow.
        let rest = |done: usize| i16::try_from(tests.len() - done - 1 + 5).unwrap_or(0);
        for (at, (register, value)) in tests.iter().enumerate() {
            all.push(instruction(JUMP_UNLESS_VALUE, *register, 0, rest(at), *value));
        }
        all.push(instruction(MOVE, 1, 3, 0, 0));
        all.push(instruction(AND, 1, 0, 0, allowed));
        all.push(instruction(JUMP_UNLESS_SAME, 1, 3, 2, 0));
        all.push(instruction(MOVE_VALUE, 0, 0, 0, 1));
        all.push(instruction(EXIT, 0, 0, 0, 0));
    }
    all.push(instruction(MOVE_VALUE, 0, 0, 0, 0));
    all.push(instruction(EXIT, 0, 0, 0, 0));
    all
}

/// As the kernel lays out `bpf_insn`: 8 bytes of code, two registers, an offset and a value.
fn instruction(code: u8, to: u8, from: u8, offset: i16, value: u32) -> u64 {
    let [low, high] = offset.to_ne_bytes();
    let [a, b, c, d] = value.to_ne_bytes();
    u64::from_ne_bytes([code, (from << 4) | to, low, high, a, b, c, d])
}

const LOAD: u8 = 0x61;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const MOVE: u8 = 0xbc;
const MOVE_VALUE: u8 = 0xb7;
const JUMP_UNLESS_VALUE: u8 = 0x55;
const JUMP_UNLESS_SAME: u8 = 0x5d;
const EXIT: u8 = 0x95;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    /// The one place where version 2 is, alone or beside version 1.
    fn version2() -> Option<PathBuf> {
        let places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
        places.into_iter().find(|path| path.join("cgroup.procs").exists() && path.join("cgroup.controllers").exists())
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that cannot run must not look like one that passed")]
    fn the_program_filters_as_the_controller_of_version_1_does() {
        let place = version2().map(|top| top.join(format!("wharfie-devices-{}", std::process::id())));
        let Some(place) = place.filter(|place| std::fs::create_dir(place).is_ok()) else {
            eprintln!("skipped: no cgroups of version 2 that this user may make");
            return;
        };
        let cgroup = Cgroup { version1: Vec::new(), version2: Some(place.clone()) };
        let extra = Rule { kind: 'c', major: Some(1), minor: Some(11), access: "r".to_owned() };
        let filters = cgroup.allow_devices(&[extra]).unwrap();
        let nodes = tempfile::tempdir().unwrap();
        let script = "echo $$ > $0/cgroup.procs; cd $1; echo x > /dev/null && head -c 1 /dev/zero | wc -c
            mknod b b 254 0 && mknod k c 1 11 && echo made
            (: < b) 2> /dev/null || echo closed; (: < k) && echo read; (: > k) 2> /dev/null || echo kept";
        let output = Command::new("sh").args(["-c", script]).args([&place, nodes.path()]).output().unwrap();
        cgroup.remove().unwrap();
        if filters {
            assert_eq!(String::from_utf8_lossy(&output.stdout), "1\nmade\nclosed\nread\nkept\n");
        } else {
            eprintln!("skipped: this kernel takes no device programs from this user");
        }
    }
}
