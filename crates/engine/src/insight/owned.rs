//! Which files a package of the system has brought: lists of dpkg, and the data bases of apk and rpm say so.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use wharfie_layer::view::{Standing, View};
use wharfie_scan::budget::Budget;
use wharfie_scan::content::are_equal;
use wharfie_scan::{Content, Found, PackageKind, inventory};

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
    /// The layers whose lists have the file, counted from the top.
    parts: Vec<usize>,
}

impl Owner {
    /// Whether a package brought what a layer has: who installs or updates one changes its list in the same layer. What lies below
    /// all lists is theirs as well, as builders may put files and lists into layers of their own. What lies above was put in its
    /// place by somebody else.
    fn has_brought(&self, part: usize) -> bool {
        self.parts.contains(&part) || self.parts.iter().max().is_some_and(|lowest| part > *lowest)
    }
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
            let mut read = |part: usize, is_shown: bool, content: &dyn Content| {
                let is_now = is_shown && is_installed;
                let mut take = |name: &str, file: &str| {
                    if *last != *name {
                        last = Rc::from(name);
                    }
                    settle(wanted, &last, file, part, is_now);
                };
                match inventory::owners(&list.alias, content, &found.budget, &mut take) {
                    Err(_) if found.budget.is_spent() => found.leave_out(&list.path),
                    // Of older versions nothing is expected.
                    Err(why) if is_now => found.warn(format!("{} {why}", list.path)),
                    _ => {}
                }
            };
            if list.alias.ends_with(".sqlite") && databases.each_state(view, &list.path, &mut read) {
                continue;
            }
            for version in &list.versions {
                if let Some(bytes) = view.bytes(&version.held) {
                    read(version.part, version.standing == Standing::Shown, &Lying(bytes));
                }
            }
        }
    }

    /// The package that has brought the file which is there: the first of its `versions`.
    pub(super) fn of(&self, view: &View, path: &str, versions: &[HeldVersion], budget: &Budget) -> Option<&str> {
        let name = self.wanted.get(path)?.now.as_deref()?;
        self.have_brought(view, path, versions, budget).then_some(name)
    }

    /// Whether a package has brought the first of these versions of a file, or another with the same bytes: who changes a file's owner
    /// or mode has a copy of it in a layer of his own.
    fn have_brought(&self, view: &View, path: &str, versions: &[HeldVersion], budget: &Budget) -> bool {
        let Some(owner) = self.wanted.get(path) else { return false };
        let mut older = versions.iter();
        let Some(mut version) = older.next() else { return false };
        while !owner.has_brought(version.part) {
            // Nobody's package has it: nothing has to be compared.
            let Some(next) = older.next().filter(|_| !owner.parts.is_empty()) else { return false };
            let (Some(one), Some(other)) = (view.bytes(&version.held), view.bytes(&next.held)) else { return false };
            let (one, other) = (Lying(one), Lying(other));
            if !are_equal(&budget.document(&one), &budget.document(&other)) {
                return false;
            }
            version = next;
        }
        true
    }

    /// Whether a package has brought the first of these versions of a file: the one that is installed, if the version is there.
    pub(super) fn is_packaged(&self, view: &View, path: &str, versions: &[HeldVersion], budget: &Budget) -> bool {
        match versions.first() {
            Some(version) if version.standing == Standing::Shown => self.of(view, path, versions, budget).is_some(),
            _ => self.have_brought(view, path, versions, budget),
        }
    }
}

fn settle(wanted: &mut HashMap<String, Owner>, name: &Rc<str>, file: &str, part: usize, is_now: bool) {
    let mut own = |file: &str| {
        let Some(owner) = wanted.get_mut(file) else { return };
        if is_now && owner.now.is_none() {
            owner.now = Some(Rc::clone(name));
        }
        if !owner.parts.contains(&part) {
            owner.parts.push(part);
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
