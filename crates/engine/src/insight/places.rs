//! Where a system's data bases of packages lie, if the places that are theirs are links within the image: `/var/lib/rpm` leads to
//! where newer systems have it, and some images move them to places of their own.

use std::collections::{BTreeMap, BTreeSet};

use wharfie_layer::entry::Kind;
use wharfie_layer::view::{Files, Version};
use wharfie_scan::{Reader, inventory};

use super::open::Opened;
use crate::error::Result;

/// Directories and files that tell of packages, and of the system.
const PLACES: &[&str] = &[
    "etc/os-release",
    "usr/lib/os-release",
    "var/lib/dpkg",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d",
    "lib/apk/db",
    "usr/lib/apk/db",
    "var/lib/rpm",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/Packages",
    "usr/lib/sysimage/rpm",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/Packages.db",
    "usr/lib/sysimage/rpm/Packages",
    "usr/share/rpm",
    "usr/share/rpm/rpmdb.sqlite",
    "usr/share/rpm/Packages.db",
    "usr/share/rpm/Packages",
    "var/lib/rpmmanifest",
    "usr/lib/opkg",
    "var/lib/opkg",
    "opt/lib/opkg",
];
/// 40 links on one way: the kernel's limit.
const MAX_LINKS: usize = 40;
/// 4096 names on one way, links followed: the kernel takes no longer paths.
const MAX_NAMES: usize = 4096;
/// 8 walks: as often as what a link leads to may begin with a link that nobody has met before.
const MAX_WALKS: usize = 8;

/// The links on the ways to those places.
pub(super) struct Places {
    /// Paths, at whose beginnings links count.
    ways: BTreeSet<String>,
    links: BTreeMap<String, String>,
}

impl Default for Places {
    fn default() -> Self {
        let mut places = Self { ways: BTreeSet::new(), links: BTreeMap::new() };
        places.ways.extend(PLACES.iter().map(|place| (*place).to_owned()));
        places
    }
}

impl Places {
    /// Whether a path is one of the ways or where one begins.
    fn is_on_way(&self, path: &str) -> bool {
        let within = format!("{path}/");
        self.ways.contains(path) || self.ways.range(within.clone()..).next().is_some_and(|way| way.starts_with(&within))
    }

    /// Takes note of a link, if it is on one of the ways.
    pub(super) fn see(&mut self, files: &mut Files<'_>, path: &str, version: &Version) {
        if version.kind == Kind::Symlink
            && self.is_on_way(path)
            && let Ok(target) = files.target(version)
        {
            self.links.insert(path.to_owned(), String::from_utf8_lossy(&target).into_owned());
        }
    }

    /// Where a path leads by the links that are known; `None` if that has no end.
    fn resolve(&self, path: &str) -> Option<String> {
        let mut done = String::new();
        let mut rest: Vec<&str> = path.rsplit('/').collect();
        let (mut links, mut names) = (0, 0);
        while let Some(part) = rest.pop() {
            names += 1;
            if names > MAX_NAMES {
                return None;
            }
            let parent = done.len();
            match part {
                "" | "." => continue,
                ".." => {
                    done.truncate(done.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {
                    if !done.is_empty() {
                        done.push('/');
                    }
                    done.push_str(part);
                }
            }
            if let Some(target) = self.links.get(&done) {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                done.truncate(if target.starts_with('/') { 0 } else { parent });
                rest.extend(target.rsplit('/'));
            }
        }
        Some(done)
    }

    /// What lies elsewhere, by where that is. Looks at the image again for links that were not known to be on a way.
    pub(super) fn elsewhere(mut self, opened: &mut Opened) -> Result<Elsewhere> {
        for _ in 0..MAX_WALKS {
            let known = self.ways.len();
            let ways: Vec<String> = PLACES.iter().filter_map(|place| self.resolve(place)).collect();
            self.ways.extend(ways);
            if self.ways.len() == known {
                break;
            }
            let walked = opened.view.walk(&mut |files, path, versions| {
                if let (Some(version), Ok(path)) = (super::take::shown(versions), std::str::from_utf8(path)) {
                    self.see(files, path, version);
                }
            });
            walked.map_err(wharfie_store::Error::Layer)?;
        }
        let mut found = BTreeMap::new();
        for place in PLACES {
            match self.resolve(place) {
                // What leads to another of the places is read there.
                Some(path) if !path.is_empty() && !PLACES.contains(&path.as_str()) => {
                    found.entry(path).or_insert(*place);
                }
                _ => {}
            }
        }
        Ok(Elsewhere(found))
    }
}

/// Paths, and which of the known places they stand for.
pub(super) struct Elsewhere(BTreeMap<String, &'static str>);

impl Elsewhere {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As what a file is read that lies elsewhere. Nothing, if it is read as what it is.
    pub(super) fn alias(&self, path: &str) -> Option<String> {
        if Reader::of_path(path).is_some_and(|reader| reader.is_of_system()) || inventory::tells_owners(path) {
            return None;
        }
        let within = |(own, place): (&String, &&'static str)| {
            let rest = path.strip_prefix(own.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
            Some((own.len(), format!("{place}{rest}")))
        };
        self.0.iter().filter_map(within).max_by_key(|(len, _)| *len).map(|(_, alias)| alias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_within_the_image() {
        let links = [
            ("var/lib/rpm", "../../usr/lib/sysimage/rpm"),
            ("var/lib/dpkg", "/opt/dpkg/../../../srv/./dpkg"),
            ("a", "b"),
            ("b", "a"),
        ];
        let links = links.map(|(path, target)| (path.to_owned(), target.to_owned())).into();
        let places = Places { links, ..Places::default() };
        let check = |path: &str, expected: Option<&str>| assert_eq!(places.resolve(path).as_deref(), expected);
        check("var/lib/rpm/Packages", Some("usr/lib/sysimage/rpm/Packages"));
        check("var/lib/dpkg/status", Some("srv/dpkg/status"));
        check("a/x", None);
        check("etc", Some("etc"));
    }

    #[test]
    fn long_ways_cost_what_they_have() {
        // As long as links may be, and each of them leads on.
        let deep = "x/".repeat(2000);
        let links = [("var".to_owned(), deep.clone()), ("etc".to_owned(), deep)].into();
        let mut places = Places { links, ..Places::default() };
        let way = places.resolve("var/lib/dpkg").unwrap();
        assert_eq!(way.len(), 2 * 2000 - 1 + "/lib/dpkg".len());
        places.ways.insert(way.clone());
        assert!(places.is_on_way("var/lib") && places.is_on_way("x/x/x") && places.is_on_way(&way));
        assert!(!places.is_on_way("var/li") && !places.is_on_way("x/y"));
        let bytes: usize = places.ways.iter().map(String::len).sum();
        assert!(bytes < 8192, "{bytes}");
        let turn = [("var".to_owned(), format!("{}var", "x/../".repeat(800)))].into();
        assert_eq!(Places { links: turn, ..Places::default() }.resolve("var/lib"), None);
    }

    #[test]
    fn what_lies_elsewhere_is_read_as_what_it_is() {
        let elsewhere = Elsewhere(BTreeMap::from([
            ("srv/dpkg".to_owned(), "var/lib/dpkg"),
            ("srv/dpkg/s".to_owned(), "var/lib/dpkg/status"),
            ("usr/lib/sysimage/rpm".to_owned(), "var/lib/rpm"),
        ]));
        assert_eq!(elsewhere.alias("srv/dpkg/info/a.list").unwrap(), "var/lib/dpkg/info/a.list");
        assert_eq!(elsewhere.alias("srv/dpkg/s").unwrap(), "var/lib/dpkg/status");
        assert_eq!(elsewhere.alias("usr/lib/sysimage/rpm/rpmdb.sqlite"), None);
        assert_eq!(elsewhere.alias("srv/dpkgs"), None);
    }
}
