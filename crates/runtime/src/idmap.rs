//! Ids of a user namespace: which ones an ordinary user may have, and how the kernel is told.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::error::{Error, Result};
use crate::spec::{IdMap, UserNamespace};
use crate::warning::Warning;

impl UserNamespace {
    /// The mapping for an ordinary user: root inside is the user, and every further id is one of the ranges that
    /// `/etc/subuid` and `/etc/subgid` give to `name` or `uid`. Without ranges, or without the programs that may map
    /// them, there is one id, and a warning.
    pub fn rootless(uid: u32, gid: u32, name: &str) -> (Self, Option<Warning>) {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (all, warning) = Self::from_files(uid, gid, name, &read("/etc/subuid"), &read("/etc/subgid"));
        let missing = [NEWUIDMAP, NEWGIDMAP].into_iter().find(|program| find_program(program).is_none());
        match missing.filter(|_| warning.is_none()) {
            Some(program) => {
                let reason = format!("{program} of the package uidmap is not installed");
                (Self::single(uid, gid), Some(Warning::SingleId { reason }))
            }
            None => (all, warning),
        }
    }

    /// Root inside is `uid`, and there is nobody else: what needs nobody's permission.
    pub fn single(uid: u32, gid: u32) -> Self {
        let own = |outside| vec![IdMap { inside: 0, outside, count: 1 }];
        Self { uids: own(uid), gids: own(gid) }
    }

    /// The mapping for a container of an ordinary user: in a namespace made by [`crate::rootless::enter`] all ids stay
    /// what they are there; outside of one there is one id.
    ///
    /// # Errors
    /// When the mapping of this process cannot be read.
    pub fn for_container() -> Result<Self> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if !uid.is_root() {
            return Ok(Self::single(uid.as_raw(), gid.as_raw()));
        }
        Self::same_ids()
    }

    /// The mapping of a process, as this one sees it.
    pub(crate) fn of_process(pid: &str) -> Result<Self> {
        let read = |file: &str| -> Result<Vec<IdMap>> {
            let path = format!("/proc/{pid}/{file}");
            let text = std::fs::read_to_string(&path).map_err(Error::system(format!("read {path}")))?;
            Ok(text.lines().filter_map(parse_line).collect())
        };
        Ok(Self { uids: read("uid_map")?, gids: read("gid_map")? })
    }

    /// True if it has more than one id of each kind: then somebody outside has to tell the kernel.
    pub(crate) fn has_others(&self) -> bool {
        [&self.uids, &self.gids].into_iter().any(|maps| maps.len() > 1 || maps.iter().any(|map| map.count > 1))
    }

    /// For root that may not mount: every id that it has keeps its number in a namespace of its own.
    ///
    /// # Errors
    /// When the mapping of this process cannot be read.
    pub fn same_ids() -> Result<Self> {
        let same = |map: IdMap| IdMap { outside: map.inside, ..map };
        let of_process = Self::of_process("self")?;
        Ok(Self {
            uids: of_process.uids.into_iter().map(same).collect(),
            gids: of_process.gids.into_iter().map(same).collect(),
        })
    }

    fn from_files(uid: u32, gid: u32, name: &str, subuid: &str, subgid: &str) -> (Self, Option<Warning>) {
        let (uids, gids) = (ranges(subuid, name, uid), ranges(subgid, name, uid));
        if uids.is_empty() || gids.is_empty() {
            let file = if uids.is_empty() { "/etc/subuid" } else { "/etc/subgid" };
            let reason = format!("{file} has no range for {name}");
            return (Self::single(uid, gid), Some(Warning::SingleId { reason }));
        }
        let stack = |first: IdMap, ranges: Vec<(u32, u32)>| {
            let mut next = 1;
            let rest = ranges.into_iter().map(|(outside, count)| {
                let map = IdMap { inside: next, outside, count };
                next = next.saturating_add(count);
                map
            });
            std::iter::once(first).chain(rest).collect()
        };
        let own = |outside| IdMap { inside: 0, outside, count: 1 };
        (Self { uids: stack(own(uid), uids), gids: stack(own(gid), gids) }, None)
    }
}

/// Lines of subuid(5): `name:first:count`, the name perhaps a number.
fn ranges(text: &str, name: &str, uid: u32) -> Vec<(u32, u32)> {
    let parse = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let is_ours = owner == name || owner.parse() == Ok(uid);
        let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (is_ours && range.1 > 0).then_some(range)
    };
    text.lines().filter_map(parse).collect()
}

/// A line of `uid_map`.
fn parse_line(line: &str) -> Option<IdMap> {
    let mut fields = line.split_ascii_whitespace().map(str::parse);
    let mut next = || fields.next()?.ok();
    Some(IdMap { inside: next()?, outside: next()?, count: next()? })
}

/// Tells the kernel the mapping of `pid`, a process in a new user namespace that waits for it.
pub(crate) fn apply(pid: u32, namespace: &UserNamespace) -> Result<()> {
    let write = |file: &str, text: &str| std::fs::write(format!("/proc/{pid}/{file}"), text);
    let may_map_any = rustix::process::geteuid().is_root();
    let is_single = |maps: &[IdMap], own: u32| matches!(maps, [map] if map.count == 1 && map.outside == own);
    let is_own = is_single(&namespace.uids, rustix::process::geteuid().as_raw())
        && is_single(&namespace.gids, rustix::process::getegid().as_raw());
    if may_map_any || is_own {
        if !may_map_any {
            // Or a group that denies something could be left.
            write("setgroups", "deny").map_err(Error::system("map the group id"))?;
        }
        write("gid_map", &lines(&namespace.gids)).map_err(Error::system("map the group ids"))?;
        return write("uid_map", &lines(&namespace.uids)).map_err(Error::system("map the user ids"));
    }
    // Neither waits for what the other does.
    let (users, groups) =
        (Helper::start(NEWUIDMAP, pid, &namespace.uids), Helper::start(NEWGIDMAP, pid, &namespace.gids));
    let users = users.and_then(Helper::finish);
    groups.and_then(Helper::finish).and(users)
}

/// Maps this process's own, new namespace to one id, as far as it has no mapping yet.
pub(crate) fn apply_single(uid: u32, gid: u32) -> Result<()> {
    let doing = "map the own id";
    let now = UserNamespace::of_process("self")?;
    if now.gids.is_empty() {
        // Or a group that denies something could be left.
        std::fs::write("/proc/self/setgroups", "deny").map_err(Error::system(doing))?;
        std::fs::write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(Error::system(doing))?;
    }
    if now.uids.is_empty() {
        std::fs::write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(Error::system(doing))?;
    }
    Ok(())
}

fn lines(maps: &[IdMap]) -> String {
    maps.iter().map(|IdMap { inside, outside, count }| format!("{inside} {outside} {count}\n")).collect()
}

/// The one part of it that an ordinary user is not trusted with, so a program of the system does it.
struct Helper {
    program: &'static str,
    child: Child,
}

impl Helper {
    fn start(program: &'static str, pid: u32, maps: &[IdMap]) -> Result<Self> {
        let words = maps.iter().flat_map(|map| [map.inside, map.outside, map.count]);
        let Some(path) = find_program(program) else {
            return Err(Error::MissingProgram { program: program.to_owned(), package: "uidmap".to_owned() });
        };
        let child = Command::new(path)
            .arg(pid.to_string())
            .args(words.map(|word| word.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        Ok(Self { program, child: child.map_err(Error::system(format!("run {program}")))? })
    }

    fn finish(self) -> Result<()> {
        let program = self.program;
        let output = self.child.wait_with_output().map_err(Error::system(format!("wait for {program}")))?;
        if output.status.success() {
            return Ok(());
        }
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Program { program: program.to_owned(), output })
    }
}

/// A program of the system, wherever distributions put it. The user's own path is not asked: what runs here decides who
/// somebody is.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let places = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];
    places.iter().map(|place| Path::new(place).join(name)).find(|path| path.is_file())
}

const NEWUIDMAP: &str = "newuidmap";
const NEWGIDMAP: &str = "newgidmap";

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# ranges\nother:1:2\nuser:100000:65536\n1000:300000:10\nuser:bad:1\nuser:5:0\n";

    #[test]
    fn ranges_follow_ones_own_id() {
        let (namespace, warning) = UserNamespace::from_files(1000, 50, "user", FILE, FILE);
        assert_eq!(lines(&namespace.uids), "0 1000 1\n1 100000 65536\n65537 300000 10\n");
        assert_eq!(lines(&namespace.gids), "0 50 1\n1 100000 65536\n65537 300000 10\n");
        assert_eq!(warning, None);
    }

    #[test]
    fn without_ranges_there_is_one_id_and_a_word_about_it() {
        let (namespace, warning) = UserNamespace::from_files(7, 8, "user", FILE, "");
        assert_eq!((lines(&namespace.uids), lines(&namespace.gids)), ("0 7 1\n".to_owned(), "0 8 1\n".to_owned()));
        assert_eq!(
            warning.unwrap().to_string(),
            "the container has one user id only: /etc/subgid has no range for user"
        );
    }

    #[test]
    fn the_kernels_own_lines_are_understood() {
        let line = parse_line("         1     100000      65536").unwrap();
        assert_eq!(line, IdMap { inside: 1, outside: 100_000, count: 65_536 });
        assert_eq!(parse_line("1 2"), None);
    }
}
