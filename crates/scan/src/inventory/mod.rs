//! Which files tell of packages, and the readers of them.

mod apk;
mod binary;
mod conda;
mod copyright;
mod dotnet;
mod dpkg;
mod embedded;
mod go;
mod java;
mod npm;
mod php;
mod python;
mod rpm;
mod ruby;
mod rust;
mod stanza;

use crate::budget::{Budget, Metered, Work};
use crate::content::{Content, Result, fill, read_all};
use crate::distro::Distro;
use crate::package::{Package, PackageKind};

pub use copyright::licences as licences_of_copyright;
pub use dpkg::package_of_list;
pub use rpm::Logged;

/// What reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// `os-release`.
    OsRelease,
    /// dpkg's `status`, or one of distroless's `status.d`.
    Dpkg,
    /// opkg's `status`.
    Opkg,
    /// apk's `installed`.
    Apk,
    /// rpm's data base in SQLite.
    RpmSqlite,
    /// rpm's data base of SUSE.
    RpmNdb,
    /// rpm's data base in Berkeley DB.
    RpmBdb,
    /// rpm's list in distroless images.
    RpmManifest,
    /// `METADATA` or `PKG-INFO`.
    Python,
    /// `package.json`.
    Npm,
    /// A file that Java can load from.
    Java,
    /// A gem's specification.
    Ruby,
    /// `installed.json` of composer.
    Php,
    /// `*.deps.json`.
    Dotnet,
    /// A record in `conda-meta`.
    Conda,
    /// R's `DESCRIPTION`.
    Cran,
    /// A document about packages that was put into the image.
    Document,
    /// A program: Go and Rust leave notes in theirs.
    Program,
}

/// What files have told.
#[derive(Debug, Default)]
pub struct Found {
    /// The packages, in no order. Layers and owners are not known here.
    pub packages: Vec<Package>,
    /// The system.
    pub distro: Option<Distro>,
    /// What could not be read, for people.
    pub warnings: Vec<String>,
    /// What may still be read and inflated.
    pub budget: Budget,
    /// How many data bases of a system's packages could not be read, and how often more packages or files were left out than are kept
    /// and read: there may be packages that nobody has seen.
    pub unread: usize,
    /// How many files were not read because of that, and the first of them.
    left_out: (usize, String),
}

/// 64 packages' warnings: who lies more often need not be listed.
const MAX_WARNINGS: usize = 64;
/// 60,000 packages of one image: more than any honest one has, and all that fit into memory.
const MAX_PACKAGES: usize = 60_000;
/// One more of one document, so that it is seen that there are too many.
const MAX_ENTRIES: usize = MAX_PACKAGES + 1;
/// 16 MiB of text: the largest honest data bases have five.
const MAX_TEXT: u64 = 16 << 20;
/// 4 MiB: the largest honest documents of one package have a few hundred kilobytes.
const MAX_DOCUMENT: u64 = 4 << 20;
/// 1 KiB: names and versions beyond are made to fill memory.
const MAX_WORD: usize = 1 << 10;
/// 4 KiB: Linux opens no longer path, so no package has brought one.
const MAX_PATH: usize = 4 << 10;

/// Whether readers have told of as many packages as are kept, and of one more. What they read is full of others' words, and packages
/// take many times the memory of the lines that tell of them.
fn is_full(packages: &[Package]) -> bool {
    packages.len() >= MAX_ENTRIES
}
/// 4 KiB: no program with notes in it is smaller.
const MIN_PROGRAM: u64 = 4 << 10;

impl Reader {
    /// Whether it reads what is known of a system and its packages.
    pub fn is_of_system(self) -> bool {
        matches!(
            self,
            Self::OsRelease
                | Self::Dpkg
                | Self::Opkg
                | Self::Apk
                | Self::RpmSqlite
                | Self::RpmNdb
                | Self::RpmBdb
                | Self::RpmManifest
        )
    }

    /// Which reader a file of this path has, as far as its path says: from the root, without a leading slash.
    pub fn of_path(path: &str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        match (folder, name) {
            ("etc" | "usr/lib", "os-release") => return Some(Self::OsRelease),
            ("var/lib/dpkg", "status") => return Some(Self::Dpkg),
            ("var/lib/dpkg/status.d" | "usr/lib/dpkg/status.d", _) => {
                return (!name.ends_with(".md5sums")).then_some(Self::Dpkg);
            }
            ("usr/lib/opkg" | "var/lib/opkg" | "opt/lib/opkg", "status") => return Some(Self::Opkg),
            ("lib/apk/db" | "usr/lib/apk/db" | "var/lib/apk/db", "installed") => return Some(Self::Apk),
            ("var/lib/rpm" | "usr/lib/sysimage/rpm" | "usr/share/rpm", _) => match name {
                "rpmdb.sqlite" => return Some(Self::RpmSqlite),
                "Packages.db" => return Some(Self::RpmNdb),
                "Packages" => return Some(Self::RpmBdb),
                _ => {}
            },
            ("var/lib/rpmmanifest", "container-manifest-2") => return Some(Self::RpmManifest),
            _ => {}
        }
        let parent = folder.rsplit('/').next().unwrap_or_default();
        let is_python = (name == "METADATA" && parent.ends_with(".dist-info"))
            || (name == "PKG-INFO" && parent.ends_with(".egg-info"));
        if is_python || name.ends_with(".egg-info") {
            return Some(Self::Python);
        }
        if name == "package.json" {
            return npm::is_of_package(folder).then_some(Self::Npm);
        }
        if name.ends_with(".gemspec") {
            let is_installed = parent == "specifications" || folder.ends_with("specifications/default");
            return is_installed.then_some(Self::Ruby);
        }
        if name == "installed.json" && folder.ends_with("vendor/composer") {
            return Some(Self::Php);
        }
        if name.ends_with(".deps.json") {
            return Some(Self::Dotnet);
        }
        if parent == "conda-meta" && name.ends_with(".json") {
            return Some(Self::Conda);
        }
        if name == "DESCRIPTION" && (folder.contains("/R/") || folder.contains("site-library/")) {
            return Some(Self::Cran);
        }
        if embedded::is_document(name) {
            return Some(Self::Document);
        }
        java::is_archive(name).then_some(Self::Java)
    }

    /// Which reader a file has whose path says nothing: programs are known by how they begin.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_content(content: &dyn Content) -> Result<Option<Self>> {
        let mut magic = [0; 4];
        if content.size() < MIN_PROGRAM || !fill(content, 0, &mut magic)? {
            return Ok(None);
        }
        Ok(binary::is_program(&magic).then_some(Self::Program))
    }

    /// Reads a file and adds what it tells to `found`. What cannot be read becomes a warning.
    pub fn read(self, path: &str, content: &dyn Content, found: &mut Found) {
        let work = match self {
            Self::Java | Self::Program => found.budget.archives.clone(),
            _ => found.budget.documents.clone(),
        };
        if work.left() == 0 {
            found.unread += 1;
            return found.leave_out(path);
        }
        let content = &Metered::new(content, &work);
        let before = found.packages.len();
        let result = match self {
            Self::OsRelease => Distro::read(content).map(|distro| {
                // `etc` is what an administrator may change; it comes first.
                if found.distro.is_none() || path.starts_with("etc/") {
                    found.distro = distro.or(found.distro.take());
                }
            }),
            Self::Dpkg => dpkg::read(content, PackageKind::Deb, path, &mut found.packages),
            Self::Opkg => dpkg::read(content, PackageKind::Opkg, path, &mut found.packages),
            Self::Apk => apk::read(content, &mut found.packages),
            Self::RpmSqlite | Self::RpmNdb | Self::RpmBdb => rpm::read(self, content, &mut found.packages),
            Self::RpmManifest => rpm::read_manifest(content, &mut found.packages),
            Self::Python => python::read(content, &mut found.packages),
            Self::Npm => npm::read(content, &mut found.packages),
            Self::Java => java::read(path, content, found),
            Self::Ruby => ruby::read(content, &mut found.packages),
            Self::Php => php::read(content, &mut found.packages),
            Self::Dotnet => dotnet::read(content, &mut found.packages),
            Self::Conda => conda::read(content, &mut found.packages),
            Self::Cran => conda::read_description(content, &mut found.packages),
            Self::Document => embedded::read(content, &mut found.packages),
            Self::Program => program(content, &work, &mut found.packages),
        };
        match result {
            _ if work.left() == 0 => {
                found.unread += 1;
                found.leave_out(path);
            }
            Err(why) => {
                found.unread += usize::from(self.is_of_system());
                found.warn(format!("{path} {why}"));
            }
            Ok(()) => {}
        }
        if found.packages.len() > MAX_PACKAGES {
            found.packages.truncate(MAX_PACKAGES);
            found.unread += 1;
            found.warn(format!("{path} tells of more than {MAX_PACKAGES} packages: the rest is left out"));
        }
        let is_sane = |package: &Package| {
            let words = [&package.name, &package.version, &package.namespace, &package.architecture];
            words.iter().all(|word| word.len() <= MAX_WORD)
        };
        let mut index = before;
        while index < found.packages.len() {
            let package = &mut found.packages[index];
            if package.name.is_empty() || !is_sane(package) {
                let is_long = !package.name.is_empty();
                found.packages.swap_remove(index);
                if is_long {
                    found.warn(format!(
                        "{path} tells of a package with a name or version of over {MAX_WORD} bytes: it is left out"
                    ));
                }
                continue;
            }
            // Authors of hundreds there are; they are no matter.
            if package.supplier.len() > MAX_WORD {
                package.supplier.clear();
            }
            if package.found_in.is_empty() {
                path.clone_into(&mut package.found_in);
            }
            package.licences.retain(|licence| !licence.is_empty() && licence.len() <= MAX_WORD);
            index += 1;
        }
    }
}

impl Found {
    /// Nothing yet, with the budget of another.
    pub fn within(budget: &Budget) -> Self {
        Self { budget: budget.clone(), ..Self::default() }
    }

    /// Takes note that a file was not read, or not to its end, because enough was read of the image.
    pub fn leave_out(&mut self, path: &str) {
        if self.left_out.0 == 0 {
            path.clone_into(&mut self.left_out.1);
        }
        self.left_out.0 += 1;
    }

    /// All warnings, with one about everything that was left out.
    pub fn into_warnings(mut self) -> Vec<String> {
        if let (count @ 1.., first) = &self.left_out {
            let files = if *count == 1 { "file is" } else { "files are" };
            self.warnings.push(format!(
                "{count} {files} left out, {first} the first: more would have to be read and inflated than is done for one image"
            ));
        }
        self.warnings
    }

    /// Adds a warning, unless it was given or there are too many.
    pub fn warn(&mut self, text: String) {
        match self.warnings.len() {
            _ if self.warnings.contains(&text) => {}
            0..MAX_WARNINGS => self.warnings.push(text),
            MAX_WARNINGS => {
                self.warnings.push("and more warnings, which are not shown: packages may be missing".to_owned());
            }
            _ => {}
        }
    }
}

fn program(content: &dyn Content, work: &Work, packages: &mut Vec<Package>) -> Result<()> {
    let Some(program) = binary::Program::open(content)? else { return Ok(()) };
    if !go::read(&program, packages)? {
        rust::read(&program, work, packages)?;
    }
    Ok(())
}

/// Calls `take` with the name of a system's package and each file that it brought, from the root without a leading slash, as the file
/// at `path` tells: lists of dpkg (`info/PACKAGE.list`, distroless's `status.d/PACKAGE.md5sums`), the data bases of apk and rpm.
/// What is read counts, and the paths as well: a data base names a folder once, for any number of files.
///
/// # Errors
/// When the file is too large or cannot be read, or `budget` is spent.
pub fn owners(path: &str, content: &dyn Content, budget: &Budget, take: &mut dyn FnMut(&str, &str)) -> Result<()> {
    let content = &budget.document(content);
    let mut owners = Owners { budget, file: String::new(), take };
    if let Some(package) = package_of_list(path) {
        let bytes = read_all(content, MAX_TEXT)?;
        let has_digests = path.ends_with(".md5sums");
        for line in crate::content::text(&bytes).lines() {
            let file = if has_digests { line.split_once("  ").map(|(_, file)| file) } else { Some(line) };
            owners.add(package, [file.unwrap_or_default()])?;
        }
        return Ok(());
    }
    match Reader::of_path(path) {
        Some(Reader::Apk) => apk::files(content, &mut owners),
        Some(reader @ (Reader::RpmSqlite | Reader::RpmNdb | Reader::RpmBdb)) => {
            rpm::files(reader, content, &mut owners)
        }
        _ => Ok(()),
    }
}

/// Who is told of files and their packages.
struct Owners<'a> {
    budget: &'a Budget,
    /// The path that is told, in one piece.
    file: String,
    take: &'a mut dyn FnMut(&str, &str),
}

impl Owners<'_> {
    /// Tells of a file whose path is these parts.
    fn add<const N: usize>(&mut self, name: &str, parts: [&str; N]) -> Result<()> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len > MAX_PATH || name.len() > MAX_WORD {
            return Ok(());
        }
        if self.budget.is_spent() {
            return Err(crate::budget::spent().into());
        }
        self.budget.documents.spend(len as u64);
        self.file.clear();
        parts.iter().for_each(|part| self.file.push_str(part));
        (self.take)(name, self.file.trim_start_matches("./").trim_start_matches('/'));
        Ok(())
    }
}

/// True for the files that [`owners`] reads.
pub fn tells_owners(path: &str) -> bool {
    package_of_list(path).is_some()
        || matches!(Reader::of_path(path), Some(Reader::Apk | Reader::RpmSqlite | Reader::RpmNdb | Reader::RpmBdb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_readers() {
        for (path, reader) in [
            ("var/lib/dpkg/status", Some(Reader::Dpkg)),
            ("var/lib/dpkg/status.d/base", Some(Reader::Dpkg)),
            ("var/lib/dpkg/status.d/base.md5sums", None),
            ("var/lib/dpkg/status-old", None),
            ("lib/apk/db/installed", Some(Reader::Apk)),
            ("usr/lib/sysimage/rpm/Packages.db", Some(Reader::RpmNdb)),
            ("app/six-1.16.dist-info/METADATA", Some(Reader::Python)),
            ("app/METADATA", None),
            ("app/x.egg-info", Some(Reader::Python)),
            ("srv/node_modules/@a/b/package.json", Some(Reader::Npm)),
            ("srv/node_modules/b/test/package.json", None),
            ("srv/package.json", Some(Reader::Npm)),
            ("opt/app.WAR", Some(Reader::Java)),
            ("usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.gemspec", Some(Reader::Ruby)),
            ("srv/json.gemspec", None),
            ("srv/vendor/composer/installed.json", Some(Reader::Php)),
            ("app/web.deps.json", Some(Reader::Dotnet)),
            ("opt/conda/conda-meta/zlib.json", Some(Reader::Conda)),
            ("opt/bitnami/x/.spdx-x.spdx", Some(Reader::Document)),
            ("bin/sh", None),
        ] {
            assert_eq!(Reader::of_path(path), reader, "{path}");
        }
    }
}
