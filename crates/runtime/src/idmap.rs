//! Ids of a user namespace: which ones an ordinary user may have, and how the kernel is told.

use std::io;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::spec::{IdMap, UserNamespace};
use crate::warning::Warning;

impl UserNamespace {
    /// The mapping for an ordinary user: root inside is the user, and every further id is one of the ranges that
    /// `/etc/subuid` and `/etc/subgid` give to `name` or `uid`. Without ranges there is one id, and a warning.
    pub fn rootless(uid: u32, gid: u32, name: &str) -> (Self, Option<Warning>) {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self::from_files(uid, gid, name, &read("/etc/subuid"), &read("/etc/subgid"))
    }

    fn from_files(uid: u32, gid: u32, name: &str, subuid: &str, subgid: &str) -> (Self, Option<Warning>) {
        let own = |id| IdMap { inside: 0, outside: id, count: 1 };
        let (uids, gids) = (ranges(subuid, name, uid), ranges(subgid, name, uid));
        if uids.is_empty() || gids.is_empty() {
            let file = if uids.is_empty() { "/etc/subuid" } else { "/etc/subgid" };
            let reason = format!("{file} has no range for {name}");
            return (Self { uids: vec![own(uid)], gids: vec![own(gid)] }, Some(Warning::SingleId { reason }));
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
    helper("newuidmap", pid, &namespace.uids)?;
    helper("newgidmap", pid, &namespace.gids)
}

fn lines(maps: &[IdMap]) -> String {
    maps.iter().map(|IdMap { inside, outside, count }| format!("{inside} {outside} {count}\n")).collect()
}

/// The one part of it that an ordinary user is not trusted with, so a program of the system does it.
fn helper(program: &str, pid: u32, maps: &[IdMap]) -> Result<()> {
    let words = maps.iter().flat_map(|map| [map.inside, map.outside, map.count]);
    let output = Command::new(program)
        .arg(pid.to_string())
        .args(words.map(|word| word.to_string()))
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")
        .stdin(Stdio::null())
        .output();
    match output {
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            Err(Error::MissingProgram { program: program.to_owned(), package: "uidmap".to_owned() })
        }
        Err(why) => Err(Error::system(format!("run {program}"))(why)),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Error::Program { program: program.to_owned(), output })
        }
    }
}

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
}
