//! Which files a package of the system has brought: lists of dpkg, and the data bases of apk and rpm say so.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use wharfie_layer::view::{Standing, View};
use wharfie_scan::{Found, PackageKind, inventory};

use super::logged::Databases;
use super::take::{HeldVersion, Lying};

/// 20,000 lists: a system with all there is has some thousands.
const MAX_LISTS: usize = 20_000;
/// Directories that once were apart from those of `usr`.
const MERGED: [&str; 5] = ["bin/", "sbin/", "lib", "lib64/", "libx32/"];

/// Lists, and whose files they say are whose.
#[derive(Default)]
pub(super) struct Owned {
    lists: Vec<List>,
    wanted: HashMap<String, Owner>,
}

#[derive(Default)]
struct Owner {
    /// The package that is installed.
    now: Option<Rc<str>>,
    /// One was, in a layer below.
    was: bool,
}

struct List {
    alias: String,
    path: String,
    versions: Vec<HeldVersion>,
}

impl Owned {
    /// Takes note of a file that is read as `alias`.
    pub(super) fn hold(&mut self, alias: &str, path: &str, versions: Vec<HeldVersion>) {
        if self.lists.len() < MAX_LISTS && !versions.is_empty() {
            self.lists.push(List { alias: alias.to_owned(), path: path.to_owned(), versions });
        }
    }

    /// Asks for the owner of a file.
    pub(super) fn want(&mut self, path: &str) {
        if !self.lists.is_empty() && !self.wanted.contains_key(path) {
            self.wanted.insert(path.to_owned(), Owner::default());
        }
    }

    /// Reads the lists. One of a package that is not installed, whose settings alone are there, is nobody's word.
    pub(super) fn read(&mut self, view: &View, databases: &Databases, found: &mut Found) {
        if self.wanted.is_empty() {
            return;
        }
        let of_dpkg = |kind| matches!(kind, PackageKind::Deb | PackageKind::Opkg);
        let installed: HashSet<String> =
            found.packages.iter().filter(|package| of_dpkg(package.kind)).map(|package| package.name.clone()).collect();
        let Self { lists, wanted } = self;
        // One list has thousands of files of one package.
        let mut last: Rc<str> = Rc::from("");
        for list in lists.iter() {
            let is_installed = inventory::package_of_list(&list.alias).is_none_or(|name| installed.contains(name));
            for version in &list.versions {
                let is_now = version.standing == Standing::Shown && is_installed;
                let mut take = |name: &str, file: &str| {
                    if *last != *name {
                        last = Rc::from(name);
                    }
                    settle(wanted, &last, file, is_now);
                };
                let mut read = |content: &dyn wharfie_scan::Content| {
                    let metered = found.budget.document(content);
                    match inventory::owners(&list.alias, &metered, &mut take) {
                        Err(_) if found.budget.is_spent() => found.leave_out(&list.path),
                        // Of older versions nothing is expected.
                        Err(why) if is_now => found.warn(format!("{} {why}", list.path)),
                        _ => {}
                    }
                };
                if is_now && list.alias.ends_with(".sqlite") {
                    databases.seen(view, &list.path, &mut read);
                } else if let Some(bytes) = view.bytes(&version.held) {
                    read(&Lying(bytes));
                }
            }
        }
    }

    /// The package that has brought the file which is there.
    pub(super) fn of(&self, path: &str) -> Option<&str> {
        self.wanted.get(path)?.now.as_deref()
    }

    /// Whether one had brought it in any layer.
    pub(super) fn ever(&self, path: &str) -> bool {
        self.wanted.get(path).is_some_and(|owner| owner.was || owner.now.is_some())
    }
}

fn settle(wanted: &mut HashMap<String, Owner>, name: &Rc<str>, file: &str, is_now: bool) {
    let mut own = |file: &str| {
        let Some(owner) = wanted.get_mut(file) else { return };
        match is_now {
            true if owner.now.is_none() => owner.now = Some(Rc::clone(name)),
            true => {}
            false => owner.was = true,
        }
    };
    own(file);
    if MERGED.iter().any(|folder| file.starts_with(folder)) {
        // Before the merge of `/usr` the same file had another path.
        own(&format!("usr/{file}"));
    } else if let Some(rest) = file.strip_prefix("usr/")
        && MERGED.iter().any(|folder| rest.starts_with(folder))
    {
        own(rest);
    }
}
