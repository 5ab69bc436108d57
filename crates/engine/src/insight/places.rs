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
/// 8 walks: as often as what a link leads to may begin with a link that nobody has met before.
const MAX_WALKS: usize = 8;

/// The links on the ways to those places.
pub(super) struct Places {
    /// Paths and their beginnings, at which links count.
    ways: BTreeSet<String>,
    links: BTreeMap<String, String>,
}

impl Default for Places {
    fn default() -> Self {
        let mut places = Self { ways: BTreeSet::new(), links: BTreeMap::new() };
        for place in PLACES {
            places.add_way(place);
        }
        places
    }
}

impl Places {
    fn add_way(&mut self, path: &str) {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        self.ways.extend(ends.map(|end| path[..end].to_owned()));
    }

    /// Takes note of a link, if it is on one of the ways.
    pub(super) fn see(&mut self, files: &mut Files<'_>, path: &str, version: &Version) {
        if version.kind == Kind::Symlink
            && self.ways.contains(path)
            && let Ok(target) = files.target(version)
        {
            self.links.insert(path.to_owned(), String::from_utf8_lossy(&target).into_owned());
        }
    }

    /// Where a path leads by the links that are known; `None` if that has no end.
    fn resolve(&self, path: &str) -> Option<String> {
        let mut done: Vec<String> = Vec::new();
        let mut rest: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(part),
            }
            if let Some(target) = self.links.get(&done.join("/")) {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                rest.extend(target.rsplit('/').map(str::to_owned));
            }
        }
        Some(done.join("/"))
    }

    /// What lies elsewhere, by where that is. Looks at the image again for links that were not known to be on a way.
    pub(super) fn elsewhere(mut self, opened: &mut Opened) -> Result<Elsewhere> {
        for _ in 0..MAX_WALKS {
            let known = self.ways.len();
            let ways: Vec<String> = PLACES.iter().filter_map(|place| self.resolve(place)).collect();
            ways.iter().for_each(|way| self.add_way(way));
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
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let known = ends.filter_map(|end| Some((end, self.0.get(&path[..end])?))).next_back();
        known.map(|(end, place)| format!("{place}{}", &path[end..]))
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
