//! Users and groups as the container's own files name them. Those files are an image's: anything may stand in them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::BorrowedFd;
use std::path::Path;

use crate::beneath;
use crate::error::{Error, Result};

/// Who a process is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) home: String,
}

/// Ids of `user` (`name|uid[:group|gid]`, empty is root) by the files beneath `root`.
///
/// # Errors
/// When they do not know it.
pub fn ids_of(root: BorrowedFd<'_>, user: &str) -> Result<(u32, u32)> {
    look_up(root, user, &[]).map(|identity| (identity.uid, identity.gid))
}

/// Looks up `user` (`name|uid[:group|gid]`, empty is root) and `extra` groups in the files beneath `root`.
pub(crate) fn look_up(root: BorrowedFd<'_>, user: &str, extra: &[String]) -> Result<Identity> {
    look_up_in(user, extra, || open(root, "/etc/passwd"), || open(root, "/etc/group"))
}

fn look_up_in<P: BufRead, G: BufRead>(
    user: &str,
    extra: &[String],
    passwd: impl Fn() -> Option<P>,
    group: impl Fn() -> Option<G>,
) -> Result<Identity> {
    let (name, group_name) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (user, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let number = id(name);
    // A number is never a name: whoever asks for user 1000 is not to become root because an image calls root so
    // (CVE-2016-3697).
    let mut found: Option<(String, u32, u32, String)> = None;
    each_line(passwd(), |fields| {
        let [user, _, uid, gid, _, home, ..] = fields else { return true };
        let (Some(uid), Some(gid)) = (id(uid), id(gid)) else { return true };
        let is_it = match number {
            Some(number) => uid == number,
            None => *user == name,
        };
        if is_it {
            found = Some(((*user).to_owned(), uid, gid, (*home).to_owned()));
        }
        !is_it
    });
    let mut identity = match (&found, number) {
        (Some((_, uid, gid, home)), _) => Identity { uid: *uid, gid: *gid, groups: Vec::new(), home: home.clone() },
        (None, Some(uid)) => Identity { uid, ..Identity::default() },
        (None, None) if name.parse::<i64>().is_ok() => {
            return Err(Error::IdRange);
        }
        (None, None) => return Err(Error::UnknownUser(name.to_owned())),
    };
    if identity.home.is_empty() {
        "/".clone_into(&mut identity.home);
    }
    let user = found.map(|(user, ..)| user);
    let mut wanted: Vec<(&str, Option<u32>)> =
        group_name.iter().copied().chain(extra.iter().map(String::as_str)).map(|name| (name, None)).collect();
    if user.is_some() || !wanted.is_empty() {
        each_line(group(), |fields| {
            let [name, _, gid, ..] = fields else { return true };
            let Some(gid) = id(gid) else { return true };
            for (want, found) in &mut wanted {
                if id(want).map_or(want == name, |number| number == gid) {
                    *found = Some(gid);
                }
            }
            let members = fields.get(3).copied().unwrap_or("");
            // An explicit group replaces the user's others, as in docker.
            let is_member = user.as_ref().is_some_and(|user| members.split(',').any(|member| member == user));
            if group_name.is_none() && is_member && identity.groups.len() < MAX_GROUPS {
                identity.groups.push(gid);
            }
            true
        });
    }
    let unknown = |name: &str| match name.parse::<i64>() {
        Ok(_) => Error::IdRange,
        Err(_) => Error::UnknownGroup(name.to_owned()),
    };
    let mut wanted = wanted.into_iter().map(|(name, found)| found.or_else(|| id(name)).ok_or_else(|| unknown(name)));
    if group_name.is_some() {
        identity.gid = wanted.next().unwrap_or(Ok(0))?;
    }
    for gid in wanted {
        let gid = gid?;
        if !identity.groups.contains(&gid) {
            identity.groups.push(gid);
        }
    }
    // The group itself is among the groups: what is kept from its members must be kept from this process too.
    let first = identity.gid;
    let mut seen = std::collections::HashSet::from([first]);
    identity.groups.retain(|gid| seen.insert(*gid));
    identity.groups.insert(0, first);
    Ok(identity)
}

/// Ids end below 2³¹ for docker, and so they do here.
fn id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id <= i32::MAX as u32)
}

fn each_line<R: BufRead>(file: Option<R>, mut visit: impl FnMut(&[&str]) -> bool) {
    let Some(mut file) = file else { return };
    let mut line = String::new();
    loop {
        line.clear();
        match file.read_line(&mut line) {
            // Not text, or not readable: what came before counts.
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let fields: Vec<&str> = line.trim().splitn(MAX_FIELDS, ':').collect();
        if !line.starts_with('#') && !visit(&fields) {
            return;
        }
    }
}

/// Opens one of the files, never waits for it (it may be a pipe), and reads only so much of it.
fn open(root: BorrowedFd<'_>, path: &str) -> Option<BufReader<std::io::Take<File>>> {
    let file = File::from(beneath::open_to_read(root, Path::new(path)).ok()?);
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    is_file.then(|| BufReader::new(file.take(MAX_FILE_BYTES)))
}

/// 4 MiB: thousands of users; more is an attack on whoever reads it.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Fields of passwd(5); more colons belong to the last.
const MAX_FIELDS: usize = 8;
/// The kernel's limit (`NGROUPS_MAX`).
const MAX_GROUPS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# comment\nbroken\napp:x:1000:1001:App:/home/app:/bin/sh\n\
        1234:x:77:78::/odd:/bin/sh\nlast:x:1001:1001:::\n";
    const GROUP: &str = "root:x:0:root\nwheel:x:10:root,app\napp:x:1001:\naudio:x:29:app\n1234:x:0:\n29:x:0:\n";

    fn find(user: &str, extra: &[&str]) -> Result<(u32, u32, Vec<u32>, String)> {
        let extra: Vec<String> = extra.iter().map(|name| (*name).to_owned()).collect();
        let who = look_up_in(user, &extra, || Some(PASSWD.as_bytes()), || Some(GROUP.as_bytes()))?;
        Ok((who.uid, who.gid, who.groups, who.home))
    }

    #[track_caller]
    fn check(user: &str, extra: &[&str], uid: u32, gid: u32, groups: &[u32], home: &str) {
        assert_eq!(find(user, extra).unwrap(), (uid, gid, groups.to_vec(), home.to_owned()), "{user}");
    }

    #[test]
    fn users_are_found_by_name_and_by_number() {
        check("", &[], 0, 0, &[0, 10], "/root");
        check("app", &[], 1000, 1001, &[1001, 10, 29], "/home/app");
        check("1000", &[], 1000, 1001, &[1001, 10, 29], "/home/app");
        check("4242", &[], 4242, 0, &[0], "/");
        check("last", &[], 1001, 1001, &[1001], "/");
    }

    #[test]
    fn numbers_are_never_names() {
        check("1234", &[], 1234, 0, &[0], "/");
        check("app:1234", &["29"], 1000, 1234, &[1234, 29], "/home/app");
    }

    #[test]
    fn groups_are_found_by_name_and_by_number() {
        check("app:wheel", &[], 1000, 10, &[10], "/home/app");
        check("app:5", &["audio", "7"], 1000, 5, &[5, 29, 7], "/home/app");
        check("9:9", &[], 9, 9, &[9], "/");
        // One that the user is in already is not there twice.
        check("app", &["audio", "29"], 1000, 1001, &[1001, 10, 29], "/home/app");
    }

    #[test]
    fn dockers_words_for_what_is_unknown() {
        let said = |user: &str| find(user, &[]).unwrap_err().to_string();
        assert_eq!(said("ghost"), "unable to find user ghost: no matching entries in passwd file");
        assert_eq!(said("app:ghosts"), "unable to find group ghosts: no matching entries in group file");
        for no_id in ["4294967296", "-1", "0:4294967296"] {
            assert_eq!(said(no_id), "uids and gids must be in range 0-2147483647");
        }
    }
}
